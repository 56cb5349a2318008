/** The dashboard's tables: which columns, and what is worth a mark. */

import { STAGES, clock, duration } from "./format.js";
import { Table } from "./table.js";

const SLOW_FACTOR = 2; // the scheduler's own: slower nodes come after all others
const LONG_WAIT_MS = 3_000;

/** `drain(row)` and `undrain(row)` ask first; null for who may not. */
export function nodesTable(table, actions) {
  const columns = [
    { title: "Node", kind: "name", value: (row) => row.node_id },
    { title: "State", value: (row) => (row.is_drained ? "drained" : row.state), mark: (row) => row.state !== "online" && "warn" },
    {
      title: "Load", kind: "number", value: (row) => load(row), mark: (row) => load(row) >= 1 && "warn",
      show: (row) => `${row.slots.used} of ${row.slots.max}`,
    },
    {
      title: "Time per second of speech", kind: "number", value: (row) => row.ms_per_second ?? null,
      show: (row) => (row.ms_per_second === null || row.ms_per_second === undefined ? "too few jobs"
        : `${Math.round(row.ms_per_second)} ms${row.isSlow ? ", slow" : ""}`),
      mark: (row) => row.isSlow && "warn",
    },
    {
      title: "Errors", kind: "number", value: (row) => errors(row), mark: (row) => row.recent_errors > 0 && "bad",
      show: (row) => (row.recent_jobs ? `${row.recent_errors} of ${row.recent_jobs}` : "–"),
    },
    {
      title: "Recognises → translates into (speaks)", kind: "wide", value: (row) => row.asr_languages.join(" "),
      show: (row) => `${listed(row.asr_languages)} → ${listed(row.semantic_languages)} (${listed(row.tts_languages)})`,
    },
    {
      title: "Why it is not chosen", kind: "wide", value: (row) => row.why_not_chosen.join("; ") || null,
      show: (row) => row.why_not_chosen.join("; ") || "–", mark: (row) => row.why_not_chosen.length > 0 && "warn",
    },
    { title: "Instance", kind: "name", value: (row) => row.instance_id },
  ];
  if (actions) {
    columns.push({
      title: "", buttons: (row) => [row.is_drained
        ? { label: "Undrain", about: row.node_id, run: () => actions.undrain(row) }
        : { label: "Drain", about: row.node_id, isDanger: true, run: () => actions.drain(row) }],
    });
  }
  return new Table(table, columns, { key: (row) => row.node_id, empty: "No node is connected." });
}

/** Mark the nodes that are slower than twice the best of those with the same languages. */
export function withSpeed(nodes) {
  const best = new Map();
  const kind = (node) => `${node.asr_languages} ${node.semantic_languages}`;
  for (const node of nodes) {
    const speed = node.ms_per_second ?? Infinity;
    best.set(kind(node), Math.min(speed, best.get(kind(node)) ?? Infinity));
  }
  return nodes.map((node) => ({
    ...node, isSlow: (node.ms_per_second ?? 0) > SLOW_FACTOR * best.get(kind(node)),
  }));
}

export function pairsTable(table, why) {
  return new Table(table, [
    { title: "From", value: (row) => row.src_lang },
    { title: "To", value: (row) => row.tgt_lang },
    { title: "Nodes", kind: "number", value: (row) => row.nodes, mark: (row) => row.nodes === 0 && "bad" },
    {
      title: "Free slots", kind: "number", value: (row) => row.free_slots,
      show: (row) => `${row.free_slots} of ${row.slots}`, mark: (row) => row.free_slots === 0 && "warn",
    },
    { title: "Speech", value: (row) => (row.speech ? "yes" : "no") },
    { title: "Waiting", kind: "number", value: (row) => row.waiting_jobs, mark: (row) => row.waiting_jobs > 0 && "warn" },
    {
      title: "Longest wait", kind: "number", value: (row) => row.oldest_wait_ms,
      show: (row) => (row.waiting_jobs ? duration(row.oldest_wait_ms) : "–"),
      mark: (row) => row.oldest_wait_ms > LONG_WAIT_MS && "bad",
    },
    { title: "", buttons: (row) => [{ label: "Why?", about: `${row.src_lang} to ${row.tgt_lang}`, run: () => why(row) }] },
  ], {
    key: (row) => `${row.src_lang} ${row.tgt_lang}`, empty: "No node serves any language.",
    sort: { index: 6, isDown: true },
  });
}

export function latencyTable(table) {
  const columns = ["p50", "p90", "p99"].map((name, index) => ({
    title: ["Half within", "9 of 10 within", "99 of 100 within"][index], kind: "number",
    value: (row) => row[name], show: (row) => duration(row[name]),
  }));
  return new Table(table, [{ title: "Stage", value: (row) => row.title }, ...columns], {
    key: (row) => row.name, empty: "Nothing has been measured yet.",
  });
}

export function latencyRows(latency) {
  return STAGES.filter(([name]) => latency?.[name]?.p50 !== undefined && latency[name].p50 !== null)
    .map(([name, title]) => ({ name, title, ...latency[name] }));
}

export function instancesTable(table) {
  return new Table(table, [
    { title: "Instance", kind: "name", value: (row) => row.instance_id },
    { title: "State", value: (row) => (row.is_online ? "on-line" : "gone"), mark: (row) => !row.is_online && "bad" },
    { title: "Machine", value: (row) => row.hostname, show: (row) => `${row.hostname} (process ${row.pid})` },
    { title: "Version", value: (row) => row.version },
    { title: "Up", kind: "number", value: (row) => row.uptime_seconds, show: (row) => duration(row.uptime_seconds * 1000) },
    { title: "Sessions", kind: "number", value: (row) => row.sessions_owned },
    { title: "Nodes", kind: "number", value: (row) => row.nodes_owned },
    { title: "Open jobs", kind: "number", value: (row) => row.open_jobs },
    { title: "Notes waiting", kind: "number", value: (row) => row.inbox_length },
  ], { key: (row) => row.instance_id, empty: "No instance is known." });
}

export function jobsTable(table, { timeline, cancel }) {
  const isOpen = (row) => ["created", "queued", "assigned", "running"].includes(row.state);
  return new Table(table, [
    { title: "Job", kind: "name", value: (row) => row.job_id },
    { title: "State", value: (row) => row.state, mark: (row) => row.state === "failed" && "bad" },
    { title: "Why", value: (row) => row.reason || null },
    { title: "Languages", value: (row) => `${row.src_lang} → ${row.tgt_lang}` },
    { title: "Node", kind: "name", value: (row) => row.node || null },
    { title: "Attempt", kind: "number", value: (row) => row.attempt, mark: (row) => row.attempt > 1 && "warn" },
    { title: "Session", kind: "name", value: (row) => row.session_ref },
    { title: "Begun", value: (row) => row.created_at_ms, show: (row) => clock(row.created_at_ms) },
    { title: "Took", kind: "number", value: (row) => row.age_ms, show: (row) => duration(row.age_ms) },
    {
      title: "", buttons: (row) => [
        { label: "Timeline", about: row.job_id, run: () => timeline(row) },
        ...(isOpen(row) ? [{ label: "Cancel", about: row.job_id, isDanger: true, run: () => cancel(row) }] : []),
      ],
    },
  ], { key: (row) => row.job_id, empty: "No job is in this state." });
}

export function sessionsTable(table, close) {
  return new Table(table, [
    { title: "Session", kind: "name", value: (row) => row.session_ref },
    { title: "State", value: (row) => row.state },
    { title: "Languages", value: (row) => `${row.src_lang} → ${row.tgt_lang}` },
    { title: "Client", value: (row) => row.platform },
    { title: "Tenant", value: (row) => row.tenant_id || null },
    { title: "Room", value: (row) => (row.in_room ? "yes" : "no") },
    { title: "Open utterances", kind: "number", value: (row) => row.open_utterances },
    { title: "Since", value: (row) => row.opened_at_ms, show: (row) => clock(row.opened_at_ms) },
    { title: "Instance", kind: "name", value: (row) => row.instance_id },
    { title: "", buttons: (row) => [{ label: "Close", about: `session ${row.session_ref}`, isDanger: true, run: () => close(row) }] },
  ], { key: (row) => row.session_ref, empty: "Nobody is connected." });
}

function load(row) {
  return row.slots.max ? row.slots.used / row.slots.max : 1;
}

function errors(row) {
  return row.recent_jobs ? row.recent_errors / row.recent_jobs : null;
}

function listed(languages) {
  return languages.length > 8 ? `${languages.slice(0, 8).join(", ")} and ${languages.length - 8} more` : languages.join(", ") || "–";
}
