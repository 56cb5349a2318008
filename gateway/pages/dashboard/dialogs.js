/** Dialogues: a question before what cannot be undone, and a table of details. */

import { clock, duration } from "./format.js";
import { Table } from "./table.js";

const find = (id) => document.getElementById(id);

/** Ask; resolves with whether the answer was yes. Escape and closing mean no. */
export function confirmed(title, text, yes) {
  const dialog = find("confirm");
  find("confirm-title").textContent = title;
  find("confirm-text").textContent = text;
  find("confirm-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => { // comes a moment later: the next question may be open by then
      if (!dialog.open) resolve(dialog.returnValue === "yes");
    };
  });
}

function showDetail(title, text, columns, rows, key, empty) {
  find("detail-title").textContent = title;
  find("detail-text").textContent = text;
  new Table(find("detail-table"), columns, { key, empty }).show(rows);
  if (!find("detail").open) find("detail").showModal();
}

/** One job's life, moment by moment. */
export function showTimeline(job) {
  const first = job.timeline[0]?.at_ms ?? 0;
  const rows = job.timeline.map((moment, index) => ({ ...moment, index, sinceMs: moment.at_ms - first }));
  const columns = [
    { title: "At", show: (row) => clock(row.at_ms), value: null },
    { title: "After", kind: "number", show: (row) => duration(row.sinceMs), value: null },
    { title: "What", show: (row) => row.event, value: null },
    { title: "Attempt", kind: "number", show: (row) => row.attempt, value: null },
    { title: "Node or reason", kind: "wide", show: (row) => [row.node, row.reason].filter(Boolean).join(", ") || "–", value: null },
  ];
  const text = [
    `State ${job.state}, attempt ${job.attempt}`, job.node && `node ${job.node}`, job.reason && `because ${job.reason}`,
  ].filter(Boolean).join(", ");
  showDetail(`Job ${job.job_id}`, text, columns, rows, (row) => row.index, "Nothing was written down.");
}

/** Why a pair of languages has the capacity it has. */
export function showRoute(route) {
  const waiting = route.waiting.jobs
    ? `${route.waiting.jobs} jobs wait, the oldest for ${duration(route.waiting.oldest_wait_ms)}.` : "Nothing waits.";
  const columns = [
    { title: "Node", kind: "name", value: (row) => row.node_id },
    { title: "Serves it", value: (row) => (row.serves_pair ? "yes" : "no") },
    { title: "Free slots", kind: "number", value: (row) => row.free_slots },
    { title: "Can be chosen", value: (row) => (row.can_be_chosen ? "yes" : "no"), mark: (row) => !row.can_be_chosen && "warn" },
    { title: "Why", kind: "wide", value: (row) => row.reasons.join("; ") || null },
  ];
  const title = `${route.src_lang} → ${route.tgt_lang}`;
  showDetail(title, `${route.summary}. ${waiting}`, columns, route.nodes, (row) => row.node_id, "No node is connected.");
}
