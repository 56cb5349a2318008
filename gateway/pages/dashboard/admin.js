/**
 * AdminSocket: commands and the live view over `/ws/admin`, and reports by HTTP, with one token.
 *
 * Events: `update` {at_ms, stats, cluster}; `state` {state: "open" | "waiting" | "refused", message}.
 */

import { openSocket, whyRefused } from "../lingua-wire.js";

const ANSWER_MS = 10_000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;

export class AdminSocket extends EventTarget {
  #token;
  #socket = null;
  #pending = new Map();
  #number = 0;
  #attempts = 0;
  #isOver = false;

  constructor(token) {
    super();
    this.#token = token;
    this.#connect();
  }

  /** Send a command; resolves with its data, rejects with why it was not done. */
  async ask(type, fields = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) throw new Error("not connected");
    this.#number += 1;
    const id = `d${this.#number}`;
    this.#socket.send(JSON.stringify({ request_id: id, type, ...fields }));
    const ack = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#answer(id, { ok: false, error: "no answer in time" }), ANSWER_MS);
      this.#pending.set(id, { resolve, reject, timer });
    });
    if (!ack.ok) throw new Error(ack.error ?? "refused");
    return ack.data ?? {};
  }

  /** Read a report of `/api/v1`. */
  async report(path) {
    const answer = await fetch(`api/v1/${path}`, {
      headers: this.#token ? { Authorization: `Bearer ${this.#token}` } : {},
      signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store",
    });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.message ?? answer.statusText);
    return found;
  }

  close() {
    this.#isOver = true;
    this.#socket?.close(1000);
  }

  #connect() {
    if (this.#isOver) return;
    const url = new URL("ws/admin", location.href);
    url.search = url.hash = "";
    url.protocol = url.protocol.replace("http", "ws");
    const socket = this.#socket = openSocket(url, this.#token);
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      this.#attempts = 0;
      this.#emit("state", { state: "open" });
      this.ask("subscribe").catch((error) => this.#emit("state", { state: "waiting", message: error.message }));
    };
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = (event) => this.#lost(url, wasOpen, event);
  }

  #hear(message) {
    if (message.type === "admin_ack") this.#answer(message.request_id, message);
    if (message.type === "admin_update") this.#emit("update", message);
  }

  #answer(id, ack) {
    const waiting = this.#pending.get(id);
    if (!waiting) return;
    clearTimeout(waiting.timer);
    this.#pending.delete(id);
    waiting.resolve(ack);
  }

  async #lost(url, wasOpen, { reason }) {
    for (const id of [...this.#pending.keys()]) this.#answer(id, { ok: false, error: "the line was cut" });
    if (this.#isOver) return;
    let message = reason || "the line was cut";
    if (!wasOpen) {
      const error = await whyRefused(url, this.#token);
      message = error.message;
      if (error.code === "token" || error.code === "forbidden") {
        this.#isOver = true;
        this.#emit("state", { state: "refused", message, isKnown: Boolean(this.#token) });
        return;
      }
    }
    this.#emit("state", { state: "waiting", message });
    setTimeout(() => this.#connect(), Math.min(FIRST_RETRY_MS * 2 ** this.#attempts, LONGEST_RETRY_MS));
    this.#attempts += 1;
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
