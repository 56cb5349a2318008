/** The operators' dashboard: joins the live view, tables, charts and commands. */

import { AdminSocket } from "./admin.js";
import { Charts } from "./charts.js";
import { confirmed, showRoute, showTimeline } from "./dialogs.js";
import { bytes, clock, duration } from "./format.js";
import {
  instancesTable, jobsTable, latencyRows, latencyTable, nodesTable, pairsTable, sessionsTable, withSpeed,
} from "./tables.js";

const TOKEN = "lingua-operator-token";
const STALE_MS = 4_000;
const OPERATORS_ONLY = ["pairs-card", "latency-card", "jobs-card", "sessions-card", "instances-card", "charts"];
const OVERLOAD = ["no", "no new sessions", "reads slowly"];
const find = (id) => document.getElementById(id);

let admin = null;
let view = null; // tables and charts, made with the first update
let last = null;

// ---- signing in ------------------------------------------------------------------------------

/** A token in the address is kept for this tab only and taken out of the address. */
function givenToken() {
  const query = new URLSearchParams(location.search);
  const hash = new URLSearchParams(location.hash.slice(1));
  const token = hash.get("token") ?? query.get("token");
  if (token) {
    sessionStorage.setItem(TOKEN, token);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(TOKEN);
}

function connect(token) {
  admin?.close();
  const made = admin = new AdminSocket(token);
  made.addEventListener("update", ({ detail }) => made === admin && show(detail));
  made.addEventListener("state", ({ detail }) => made === admin && stateChanged(detail, token));
}

function stateChanged({ state, message, isKnown }, token) {
  if (state === "open") {
    problem("line", null);
    problem("sign-in", null);
    find("sign-in").hidden = true;
    find("sign-out").hidden = !token;
    showStatus("good", "Live");
    return;
  }
  if (state === "waiting") {
    showStatus("bad", "Not connected");
    problem("line", `No connection to the service: ${message}. Trying again.`);
    return;
  }
  sessionStorage.removeItem(TOKEN);
  find("view").hidden = true;
  find("sign-in").hidden = false;
  find("sign-out").hidden = true;
  showStatus("idle", "Not signed in");
  problem("sign-in", isKnown ? `This token was not accepted: ${message}.` : null);
  find("token").focus();
}

find("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = find("token").value.trim();
  find("token").value = "";
  if (!token) return;
  sessionStorage.setItem(TOKEN, token);
  connect(token);
});
find("sign-out").addEventListener("click", () => {
  sessionStorage.removeItem(TOKEN);
  location.reload();
});

// ---- the live view ---------------------------------------------------------------------------

function show(update) {
  last = { ...update, comeAtMs: Date.now() };
  const isOwner = update.stats.store === undefined;
  view ??= made(isOwner);
  find("view").hidden = false;
  for (const id of OPERATORS_ONLY) find(id).hidden = isOwner;
  showTiles(tiles(update, isOwner));
  showNodes();
  if (!isOwner) {
    view.charts.add(update);
    view.pairs.show(update.stats.pairs ?? []);
    view.latency.show(latencyRows(update.stats.latency_ms));
    view.instances.show(update.cluster.instances ?? []);
    const { store } = update.stats;
    problem("store", store.ok ? null : `The store does not answer (${store.error}); what needs it waits.`);
  }
  showStatus("good", isOwner ? "Live: your nodes" : `Live, ${clock(update.at_ms)}`);
}

function made(isOwner) {
  const nodes = nodesTable(find("nodes"), isOwner ? null : { drain, undrain });
  if (isOwner) return { nodes };
  find("charts").hidden = false;
  return {
    nodes,
    charts: new Charts(find("charts")),
    pairs: pairsTable(find("pairs"), why),
    latency: latencyTable(find("latency")),
    instances: instancesTable(find("instances")),
    jobs: jobsTable(find("jobs"), { timeline, cancel }),
    sessions: sessionsTable(find("sessions"), closeSession),
  };
}

function showNodes() {
  const wanted = find("node-filter").value.trim().toLowerCase();
  const rows = withSpeed(last.cluster.nodes ?? []);
  view.nodes.show(wanted ? rows.filter((row) => JSON.stringify(row).toLowerCase().includes(wanted)) : rows);
}

function tiles({ stats, cluster }, isOwner) {
  const nodes = cluster.nodes ?? [];
  const online = nodes.filter((node) => node.state === "online").length;
  const list = [["Nodes on-line", `${online} of ${nodes.length}`, online < nodes.length && "warn"]];
  if (isOwner) return list;
  const speech = stats.latency_ms?.result_after_speech;
  const waiting = stats.waiting ?? { jobs: null, oldest_wait_ms: null };
  list.unshift(["Sessions", cluster.total_sessions ?? stats.web_clients.active_users]);
  list.push(
    ["Jobs at nodes", stats.jobs ? stats.jobs.assigned + stats.jobs.running : "–"],
    ["Jobs waiting", waiting.jobs ?? "–", waiting.jobs > 0 && "warn"],
    ["Longest wait", waiting.jobs ? duration(waiting.oldest_wait_ms) : "–", waiting.oldest_wait_ms > 3_000 && "bad"],
    ["Result after speech", duration(speech?.p50)],
    ["… 9 of 10 within", duration(speech?.p90)],
    ["Instances", `${cluster.online_instances ?? "–"} of ${cluster.total_instances ?? "–"}`],
    ["Store", stats.store.ok ? "answers" : "away", !stats.store.ok && "bad"],
    ["Audio held here", bytes(stats.audio_bytes_held)],
    ["Overloaded here", OVERLOAD[stats.overload_level] ?? String(stats.overload_level ?? "–"), stats.overload_level > 0 && "bad"],
  );
  return list;
}

function showTiles(list) {
  const place = find("tiles");
  if (place.children.length !== list.length) {
    place.replaceChildren(...list.map(([title]) => {
      const tile = document.createElement("div");
      tile.append(document.createElement("dt"), document.createElement("dd"));
      tile.firstChild.textContent = title;
      return tile;
    }));
  }
  list.forEach(([, value, mark], index) => {
    const tile = place.children[index];
    tile.className = mark || "";
    tile.lastChild.textContent = value;
  });
}

// ---- lists, read when they are asked for -----------------------------------------------------

async function showJobs() {
  const state = find("job-state").value || undefined;
  await listed("jobs", async () => {
    const { jobs } = await admin.ask("list_jobs", { state });
    view.jobs.show(jobs);
    return `${jobs.length} at ${clock(Date.now())}`;
  });
}

async function showSessions() {
  await listed("sessions", async () => {
    const found = await admin.ask("list_sessions");
    view.sessions.show(found.sessions);
    const silent = found.silent_instances?.length ? `; ${found.silent_instances.join(", ")} did not answer` : "";
    return `${found.sessions.length} at ${clock(Date.now())}${found.is_complete ? "" : ", not all"}${silent}`;
  });
}

async function listed(name, read) {
  const note = find(`${name}-note`);
  try {
    note.textContent = await read();
  } catch (error) {
    note.textContent = `Cannot be shown: ${error.message}.`;
  }
}

async function timeline(row) {
  await reported(async () => showTimeline(await admin.report(`jobs/${encodeURIComponent(row.job_id)}`)));
}

async function why(row) {
  const query = new URLSearchParams({ src: row.src_lang, tgt: row.tgt_lang });
  await reported(async () => showRoute(await admin.report(`route?${query}`)));
}

async function reported(read) {
  try {
    await read();
    problem("command", null);
  } catch (error) {
    problem("command", `Cannot be shown: ${error.message}.`);
  }
}

// ---- commands, each confirmed ----------------------------------------------------------------

async function command(question, type, fields, after = () => {}) {
  if (!await confirmed(...question)) return;
  try {
    await admin.ask(type, fields);
    problem("command", null);
    after();
  } catch (error) {
    problem("command", `Not done (${type}): ${error.message}.`);
  }
}

function drain({ node_id: id }) {
  return command(
    [`Drain ${id}?`, "It gets no new jobs and finishes those it has. This holds, also when it comes back, until it is undrained.", "Drain it"],
    "drain_node", { node_id: id },
  );
}

function undrain({ node_id: id }) {
  return command([`Undrain ${id}?`, "It gets jobs again.", "Undrain it"], "undrain_node", { node_id: id });
}

function closeSession({ session_ref: ref }) {
  return command(
    [`Close session ${ref}?`, "What was said so far still gets its outcome; then the client is disconnected.", "Close it"],
    "close_session", { session_id: ref }, showSessions,
  );
}

function cancel({ job_id: id }) {
  return command(
    [`Cancel job ${id}?`, "Its speaker gets no translation of this sentence.", "Cancel it"],
    "cancel_job", { job_id: id }, showJobs,
  );
}

// ---- showing ---------------------------------------------------------------------------------

function showStatus(kind, text) {
  const place = find("status");
  place.dataset.kind = kind;
  if (place.textContent !== text) place.textContent = text;
}

function problem(key, text) {
  const place = find("problems");
  let line = [...place.children].find((child) => child.dataset.key === key);
  if (!text) return line?.remove();
  if (!line) {
    line = document.createElement("p");
    line.className = "problem";
    line.dataset.key = key;
    place.append(line);
  }
  if (line.textContent !== text) line.textContent = text;
  return line;
}

find("node-filter").addEventListener("input", () => last && showNodes());
find("jobs-refresh").addEventListener("click", showJobs);
find("job-state").addEventListener("change", showJobs);
find("sessions-refresh").addEventListener("click", showSessions);
setInterval(() => {
  if (last && Date.now() - last.comeAtMs > STALE_MS && find("status").dataset.kind === "good") {
    showStatus("warn", `No news for ${Math.round((Date.now() - last.comeAtMs) / 1000)} s`);
  }
}, 1_000);
// The status is announced when it changes in kind, not with every second of the clock.
find("status").setAttribute("aria-live", "off");
connect(givenToken());
