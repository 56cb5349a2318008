/** The page to speak into: joins client, microphone, menus, transcript and room. */

import { FileSpeech, LinguaClient, LinguaError, Microphone, SpeechPlayer, bestFormat } from "../lingua-client.js";
import { Growing } from "./growing.js";
import { LanguageMenus, languageName } from "./languages.js";
import { Problems, microphoneProblem, sessionProblem } from "./problems.js";
import { RoomPanel } from "./room.js";
import { restored, stored } from "./settings.js";
import { Transcript } from "./transcript.js";

const SILENT_AFTER_MS = 6_000;
const SILENT_RMS = 0.0005;
const LOOPBACK = /^(localhost|.*\.localhost|127\..*|\[::1\])$/;
const find = (id) => document.getElementById(id);

const problems = new Problems(find("problems"));
const player = new SpeechPlayer();
const transcript = new Transcript(find("transcript"), (result) => {
  player.unlock();
  player.play(result.tts_audio, result.tts_format, null);
});
const growing = new Growing(find("partial"));
const settings = restored();
const menus = new LanguageMenus(find("source"), find("target-list"), settings.languages);
const room = new RoomPanel(find, problems, () => session(), () => menus.source);
room.addEventListener("left", () => !microphone && !file && client?.close());

let client = null;
let sessionNumber = 0; // each session counts its utterances from 0
let microphone = null;
let file = null;
let lastResult = null;
let isBusy = false;
let heardAtMs = 0;
let wakeLock = null;
let lacksNode = false; // nobody serves the languages of this session

// ---- the session -----------------------------------------------------------------------------

/** Return a client with an open session, or null when that was shown to be impossible. */
async function session() {
  if (client && client.state !== "closed") return client;
  await player.unlock();
  const [format, playsOpus] = await Promise.all([wantedFormat(), SpeechPlayer.playsOpus()]);
  if (!menus.source || !menus.targets.length) {
    problems.show("session", "Choose the language you speak, and at least one to translate into.");
    return null;
  }
  const made = new LinguaClient({
    url: "ws/session", token: find("token").value.trim() || undefined,
    srcLang: menus.source, tgtLangs: menus.targets, audioFormat: format,
    subtitlesOnly: find("subtitles").checked, ttsFormat: playsOpus ? undefined : "pcm16",
  });
  client = made;
  listen(made);
  room.attach(made);
  problems.clear("session", "line", "unserved", "request", "format");
  try {
    await made.open();
    return made;
  } catch (error) {
    problems.show("session", sessionProblem(error));
    if (error.code === "token") find("more").open = true;
    return null;
  }
}

/** Every node reads PCM; opus saves nine tenths of the data, where that goes over a network. */
async function wantedFormat() {
  const wanted = find("format").value;
  const isHere = LOOPBACK.test(location.hostname);
  return wanted === "pcm16" || (wanted === "auto" && isHere) ? "pcm16" : bestFormat();
}

function listen(made) {
  const on = (name, run) => made.addEventListener(name, ({ detail }) => run(detail));
  const key = (message) => `${sessionNumber}:${message.utterance_index}`;
  const speaker = (message) => room.nameOf(message.speaker_session_id);
  on("state", (detail) => stateChanged(made, detail));
  on("session", (detail) => {
    if (!detail.resumed) sessionNumber += 1;
    if (detail.restarted) {
      problems.show("line", "The service was restarted; what had no translation yet was sent again.", true);
    }
    unserved(detail.unserved);
  });
  on("updated", (message) => unserved(message.unserved ?? []));
  on("partial", (message) => {
    const other = speaker(message);
    growing.show(message, other);
    if (room.isIn && !other) transcript.sent(key(message), null, message.text);
  });
  on("queued", (message) => {
    transcript.queued(key(message), lacksNode ? { ...message, reason: "no_node" } : message);
  });
  on("progress", (message) => {
    transcript.progress(key(message), message.event);
    if (room.isIn && message.event === "NMT_DONE") growing.hide(); // its speaker gets no result
    if (room.isIn && message.event !== "ERROR") transcript.sent(key(message), message.event, null);
    countBlocks();
  });
  on("result", (message) => {
    lastResult = message;
    growing.hide(speaker(message) ?? "");
    transcript.result(key(message), message, speaker(message));
    countBlocks();
    if (!find("subtitles").checked) player.play(message.tts_audio, message.tts_format, [key(message), message.tgt_lang]);
  });
  on("missing", (message) => {
    growing.hide(speaker(message) ?? "");
    if (message.reason === "processing_error" && made.options.audioFormat === "opus" && !lastResult) {
      problems.show("format", "The node could not process what was sent. It may not read opus: "
        + "stop, choose PCM under “Options”, and start again.", true);
    }
    transcript.missing(key(message), message, speaker(message));
    countBlocks();
  });
  on("full", () => {
    problems.show("full", "The line has been down for so long that no more can be kept. The microphone was stopped.");
    stop();
  });
  on("problem", ({ code, message }) => problems.show("request", `The service says: ${message} (${code}).`));
}

function stateChanged(made, { state, reason, code, retryInMs }) {
  if (made !== client) return;
  const speaking = microphone ? "Listening" : file ? "Sending the file" : "Connected";
  const shown = {
    connecting: ["warn", "Connecting …"], reconnecting: ["warn", "Connecting again …"],
    open: ["good", speaking], closed: ["idle", "Not started"],
    waiting: ["bad", "The line is down; what you say is kept"],
  }[state];
  find("status").textContent = shown[1];
  find("status").dataset.kind = shown[0];
  if (state === "open") problems.clear("line-down");
  if (state === "waiting") {
    const why = code === "line" ? "" : ` (${reason})`;
    problems.show("line-down", `The line was cut${why}. Trying again in ${Math.ceil(retryInMs / 1000)} s; `
      + "nothing that you say is lost.", true);
  }
  if (state === "closed") {
    problems.clear("line-down");
    if (code !== "closed" && made.session) {
      problems.show("session", sessionProblem(new LinguaError(code, reason)));
    }
    growing.clear();
    stopSources();
  }
  showControls();
}

function unserved(list) {
  lacksNode = list.some((one) => one.what !== "speech");
  if (!list.length) {
    problems.clear("unserved");
    return;
  }
  const what = list.map(({ src_lang: source, tgt_lang: target, what: kind }) => {
    const pair = `${languageName(source)} to ${languageName(target)}`;
    return kind === "speech" ? `No node speaks ${languageName(target)}: there will be text only.`
      : `No node translates ${pair} now${kind === "translation" ? "" : ` (${kind})`}. `
        + "What you say waits a while for one.";
  });
  problems.show("unserved", [...new Set(what)].join(" "), list.every((one) => one.what === "speech"));
}

// ---- speaking --------------------------------------------------------------------------------

async function start() {
  problems.clear("microphone", "full", "file", "silent");
  isBusy = true;
  showControls();
  const opened = await session();
  if (opened) await openMicrophone(opened);
  isBusy = false;
  if (opened) stateChanged(opened, { state: opened.state });
  showControls();
}

async function openMicrophone(opened) {
  try {
    microphone = await Microphone.open(opened);
  } catch (error) {
    problems.show("microphone", microphoneProblem(error));
    if (!room.isIn && !file) opened.close();
    return;
  }
  heardAtMs = Date.now();
  microphone.addEventListener("level", ({ detail }) => level(detail.rms));
  microphone.addEventListener("ended", () => {
    problems.show("microphone", "The microphone was unplugged or taken away.");
    stop();
  });
  microphone.addEventListener("problem", ({ detail }) => {
    problems.show("microphone", `The sound cannot be encoded (${detail.message}). Choose PCM under “Options”.`);
    stop();
  });
  wakeLock = await navigator.wakeLock?.request("screen").catch(() => null) ?? null;
}

function level(rms) {
  find("level").value = Math.min(1, Math.sqrt(rms) * 1.6);
  if (rms > SILENT_RMS) {
    heardAtMs = Date.now();
    problems.clear("silent");
  } else if (Date.now() - heardAtMs > SILENT_AFTER_MS) {
    problems.show("silent", "Your microphone is silent. Is it muted?", true);
  }
}

/** Stop speaking; the session ends when its last translation is there, unless a room goes on. */
async function stop() {
  await stopSources();
  if (!client || client.state === "closed") return showControls();
  if (room.isIn) {
    client.endUtterance();
    return stateChanged(client, { state: client.state });
  }
  find("status").textContent = "Waiting for the last translation";
  return client.close();
}

async function stopSources() {
  const [open, sending] = [microphone, file];
  microphone = file = null;
  sending?.stop();
  wakeLock?.release();
  wakeLock = null;
  showControls();
  await open?.close();
}

async function speakFile(chosen) {
  problems.clear("file", "microphone", "full");
  if (!chosen) return;
  const opened = await session();
  if (!opened) return;
  file = new FileSpeech();
  stateChanged(opened, { state: opened.state });
  showControls();
  try {
    await file.speak(opened, chosen, (fraction) => { find("file-progress").value = fraction; });
  } catch (error) {
    problems.show("file", `This file cannot be read as sound: ${error.message}`);
  }
  if (!file) return; // stopped meanwhile
  file = null;
  showControls();
  if (!microphone && !room.isIn) opened.close();
}

// ---- showing ---------------------------------------------------------------------------------

function countBlocks() {
  find("empty").hidden = transcript.size > 0;
  find("copy").disabled = find("clear").disabled = transcript.size === 0;
}

function showControls() {
  const isOpen = client !== null && client.state !== "closed" && client.state !== "idle";
  const isSpeaking = microphone !== null;
  find("start").textContent = isSpeaking || file ? "Stop" : isBusy ? "Starting …" : "Start speaking";
  find("start").disabled = isBusy;
  find("start").setAttribute("aria-pressed", String(isSpeaking));
  find("cut").hidden = find("level").hidden = !isSpeaking;
  find("file-progress").hidden = !file;
  find("choose-file").disabled = file !== null || isBusy;
  find("token").disabled = find("format").disabled = isOpen;
}

function showServed(error) {
  if (lacksNode && menus.serves(menus.targets)) unserved([]); // one has come since
  if (error) problems.show("served", "The list of languages cannot be read: the service does not answer.");
  else if (!menus.hasAny) problems.show("served", "No node is connected, so nothing can be translated now. This page looks again by itself.");
  else problems.clear("served");
}

function playbackChanged(isPlaying) {
  if (!find("loudspeaker").checked || !microphone) {
    if (microphone) microphone.isMuted = false;
    return;
  }
  microphone.isMuted = isPlaying;
  client?.playbackChanged(isPlaying, lastResult ?? {});
}

// ---- wiring ----------------------------------------------------------------------------------

find("start").addEventListener("click", () => (microphone || file ? stop() : start()));
find("cut").addEventListener("click", () => microphone?.endUtterance());
find("swap").addEventListener("click", () => menus.swap());
find("choose-file").addEventListener("click", () => find("file").click());
find("file").addEventListener("change", ({ target }) => {
  speakFile(target.files[0]);
  target.value = "";
});
find("copy").addEventListener("click", () => navigator.clipboard?.writeText(transcript.text));
find("clear").addEventListener("click", () => {
  transcript.clear();
  countBlocks();
});
for (const id of ["subtitles", "loudspeaker", "format", "name", "token"]) {
  find(id).addEventListener("change", () => stored(find, menus));
}
find("subtitles").addEventListener("change", () => {
  if (find("subtitles").checked) player.stop();
  if (client?.state === "open") client.update({ subtitlesOnly: find("subtitles").checked });
});
menus.addEventListener("change", () => {
  stored(find, menus);
  if (client?.state !== "open" || !menus.targets.length) return;
  client.update({ srcLang: menus.source, tgtLangs: menus.targets });
  room.languageChanged();
});
menus.addEventListener("served", ({ detail }) => showServed(detail.error));
player.addEventListener("start", ({ detail }) => detail.key && transcript.playing(...detail.key, true));
player.addEventListener("end", ({ detail }) => detail.key && transcript.playing(...detail.key, false));
player.addEventListener("busy", () => playbackChanged(true));
player.addEventListener("idle", () => playbackChanged(false));
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, select, button, summary, textarea, a");
  if (event.code === "Space" && microphone && !isTyping) {
    event.preventDefault();
    microphone.endUtterance();
  }
});
addEventListener("pagehide", () => client?.abandon());

settings.apply(find);
if (settings.room) room.follow(settings.room);
addEventListener("hashchange", () => room.follow(new URLSearchParams(location.hash.slice(1)).get("room") ?? ""));
if (!globalThis.isSecureContext) problems.show("microphone", microphoneProblem({ name: "InsecureContext" }), true);
await menus.start();
document.body.dataset.ready = "yes";
