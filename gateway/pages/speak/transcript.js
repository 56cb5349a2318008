/**
 * The transcript: one block for each utterance, in the order they were heard of.
 *
 * Owns the elements of the log. All text from elsewhere goes in as text, never as markup.
 */

import { languageName } from "./languages.js";
import { missingText } from "./problems.js";

const MOST_BLOCKS = 200; // older ones leave the page, with their speech

export class Transcript {
  #log;
  #blocks = new Map();
  #play;
  #waitTimer = null;

  /** `play(result)` says a translation again. */
  constructor(log, play) {
    this.#log = log;
    this.#play = play;
  }

  get size() { return this.#blocks.size; }

  get text() {
    return [...this.#log.querySelectorAll(".speaker, .heard, .translation .text, .state:not(:empty)")]
      .filter((line) => line.textContent).map((line) => line.textContent).join("\n");
  }

  clear() {
    for (const block of this.#blocks.values()) block.root.remove();
    this.#blocks.clear();
  }

  result(key, message, speaker) {
    const block = this.#block(key, speaker);
    this.#settled(block, message.tgt_lang);
    if (message.text_asr) block.heard.textContent = message.text_asr;
    const line = this.#line(block, message.tgt_lang ?? "");
    line.querySelector(".text").textContent = message.text_translated || message.text_asr;
    if (message.tgt_lang) line.querySelector(".text").lang = message.tgt_lang;
    if (message.tts_audio) {
      const again = line.querySelector("button");
      again.hidden = false;
      again.onclick = () => this.#play(message);
    }
    const earlier = block.lines.size > 1 ? block.timing.textContent : "";
    block.timing.textContent = [earlier, timing(message)].filter(Boolean).join(" | ");
    this.#scroll();
  }

  missing(key, message, speaker) {
    const block = this.#blocks.get(key);
    const isQuiet = ["silence_detected", "merged", "cancelled"].includes(message.reason);
    if (isQuiet && !block?.lines.size) {
      block?.root.remove();
      this.#blocks.delete(key);
      return;
    }
    const shown = block ?? this.#block(key, speaker);
    this.#settled(shown, message.tgt_lang);
    shown.state.textContent = missingText(message.reason);
    shown.state.classList.add("bad");
    this.#scroll();
  }

  /** It waits for a node; says for how long, and for how long it will. */
  queued(key, message, speaker) {
    const block = this.#block(key, speaker);
    block.waiting = { sinceMs: Date.now(), estimateMs: message.wait_ms_estimate, reason: message.reason };
    this.#waitTimer ??= setInterval(() => this.#showWaits(), 1_000);
    this.#showWaits();
    this.#scroll();
  }

  progress(key, event) {
    const block = this.#blocks.get(key);
    if (block && event === "DISPATCHED") this.#settled(block);
  }

  /** In a room: what its own speaker sees, who gets no translation of it. */
  sent(key, event, text) {
    const block = this.#block(key, null);
    if (text) block.heard.textContent = text;
    if (block.lines.size || block.waiting) return;
    block.timing.textContent = event === "NMT_DONE" ? "Translated for the others"
      : block.timing.textContent || "On its way to the others";
  }

  playing(key, language, isPlaying) {
    this.#blocks.get(key)?.lines.get(language ?? "")?.classList.toggle("playing", isPlaying);
  }

  #showWaits() {
    const waiting = [...this.#blocks.values()].filter((block) => block.waiting);
    for (const { state, waiting: wait } of waiting) {
      const seconds = Math.round((Date.now() - wait.sinceMs) / 1000);
      const why = wait.reason === "no_node" ? "No node serves these languages now; waiting for one"
        : "All nodes are busy; waiting";
      const left = wait.estimateMs === null || wait.estimateMs === undefined ? ""
        : `, about ${Math.max(1, Math.ceil(wait.estimateMs / 1000))} s expected`;
      state.textContent = `${why} (${seconds} s so far${left})`;
    }
    if (!waiting.length) {
      clearInterval(this.#waitTimer);
      this.#waitTimer = null;
    }
  }

  #settled(block) {
    block.waiting = null;
    block.state.textContent = "";
  }

  #block(key, speaker) {
    const known = this.#blocks.get(key);
    if (known) return known;
    const root = element("article", speaker ? "utterance" : "utterance mine");
    const block = {
      root, lines: new Map(), waiting: null,
      heard: element("p", "heard"), list: element("div", "translations"),
      state: element("p", "state"), timing: element("p", "timing"),
    };
    if (speaker) root.append(element("p", "speaker", speaker));
    root.append(block.heard, block.list, block.state, block.timing);
    this.#log.append(root);
    this.#blocks.set(key, block);
    if (this.#blocks.size > MOST_BLOCKS) {
      const [oldest, { root: old }] = this.#blocks.entries().next().value;
      old.remove();
      this.#blocks.delete(oldest);
    }
    return block;
  }

  #line(block, language) {
    const known = block.lines.get(language);
    if (known) return known;
    const line = element("p", "translation");
    const again = element("button", "small", "▶");
    again.type = "button";
    again.hidden = true;
    again.setAttribute("aria-label", language ? `Play it in ${languageName(language)}` : "Play it");
    line.append(element("span", "language", language), element("span", "text"), again);
    block.list.append(line);
    block.lines.set(language, line);
    return line;
  }

  #scroll() {
    const isReading = window.innerHeight + window.scrollY < document.body.scrollHeight - 400;
    if (!isReading) this.#log.lastElementChild?.scrollIntoView({ block: "nearest" });
  }
}

/** Where the time went, stage by stage. */
export function timing({ service_timings: service, network_timings: network, spokenAgoMs, late, tts_lost: isLost }) {
  const parts = [];
  if (spokenAgoMs !== null && spokenAgoMs !== undefined) parts.push(`${seconds(spokenAgoMs)} after the last word`);
  const stages = [
    ["recognition", service?.asr_ms], ["translation", service?.nmt_ms], ["speech", service?.tts_ms],
    ["to the node", network?.scheduler_to_node_ms], ["back", network?.node_to_scheduler_ms],
  ];
  for (const [name, ms] of stages) {
    if (ms !== null && ms !== undefined) parts.push(`${name} ${seconds(ms)}`);
  }
  if (late) parts.push("came late");
  if (isLost) parts.push("its speech was lost");
  return parts.join(" · ");
}

function seconds(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
