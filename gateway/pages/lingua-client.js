/**
 * lingua-client: one speech translation session for any web page, over as many sockets as it takes.
 *
 *   const client = new LinguaClient({ url: "wss://HOST/ws/session", srcLang: "en", tgtLangs: ["es"] });
 *   client.addEventListener("result", (event) => console.log(event.detail.text_translated));
 *   await client.open();
 *   const microphone = await Microphone.open(client);
 *
 * Owns the session: opening, sending in order, hearing, coming back after a cut line, closing.
 * Must not: touch the document, or know where audio comes from. Types and the meaning of every
 * field and event: lingua-client.d.ts.
 *
 * No word is lost: every piece of audio is kept until the server says (`audio_ack`) that its
 * utterance has its outcome. After a cut the session is resumed and what the server has not taken
 * goes out again; where the session is gone (the server was restarted with an empty store), a new
 * one begins with all pieces that are still kept.
 */

import { HeldAudio } from "./lingua-held-audio.js";
import { LinguaError, openSocket, pieceMessage, pipeline, sessionInit, whyRefused } from "./lingua-wire.js";

export { FileSpeech, Microphone, SpeechPlayer, bestFormat } from "./lingua-audio.js";
export { LinguaError };

const HEARTBEAT_MS = 5_000;
const ANSWER_MS = 7_000; // a heartbeat that is not answered for so long: the line is dead
const OPEN_MS = 10_000;
const CLOSE_MS = 15_000;
const SETTLE_MS = 60_000; // how long close() waits for outcomes; the server would wait 10 s
const PUMP_MS = 50;
const MOST_UNSENT_BYTES = 128 * 1024; // in the browser's own buffer; the rest waits here
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 10_000;
const ASK_WHY_EVERY = 4; // attempts to come back: the reason costs the server another request

const TAKEN_OVER = 4001;
const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;
const NORMAL = 1000;

export class LinguaClient extends EventTarget {
  #options;
  #url;
  #state = "idle";
  #socket = null;
  #session = null; // the latest session_init_ack
  #audio;
  #isResuming = false;
  #isEnding = false;
  #closeSent = false;
  #settleUntilMs = 0;
  #lastDelivery = 0;
  #attempts = 0;
  #returnAtMs = 0; // when a server that goes away wants to see its clients again
  #pausedUntilMs = 0;
  #beatAtMs = 0;
  #isBeatOpen = false;
  #timers = new Set();
  #ended = null; // {resolve, promise} of close()
  #opening = null; // {resolve, reject} of open()
  #room = null; // {code, member}: to enter again with a new session
  #wake = () => { if (this.#state === "waiting") this.#connect(); };

  constructor(options) {
    super();
    this.#options = { platform: "browser", resume: true, ...options };
    this.#url = new URL(options.url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#audio = new HeldAudio(options.maxHeldBytes ?? 16 * 1024 * 1024);
  }

  get state() { return this.#state; }
  get session() { return this.#session; }
  get options() { return this.#options; }
  get heldMs() { return this.#audio.heldMs; }
  get room() { return this.#room?.code ?? null; }
  /** Milliseconds since the audio at this place of the session was spoken; null if unknown. */
  sinceSpoken(audioMs) { return this.#audio.sinceSpoken(audioMs, Date.now()); }

  // ---- opening and closing -------------------------------------------------------------------

  /** Begin a session. Rejects with a LinguaError when there is none to be had. */
  open() {
    if (this.#state !== "idle") throw new LinguaError("state", "this client was opened before");
    globalThis.addEventListener?.("online", this.#wake);
    const opened = new Promise((resolve, reject) => { this.#opening = { resolve, reject }; });
    this.#every(PUMP_MS, () => this.#pump());
    this.#every(1_000, () => this.#watch());
    this.#connect();
    return opened;
  }

  /** Send what is left, wait for the last outcome, and end the session. */
  close() {
    if (this.#ended) return this.#ended.promise;
    this.#ended = {};
    this.#ended.promise = new Promise((resolve) => { this.#ended.resolve = resolve; });
    this.endUtterance();
    this.#isEnding = true;
    this.#settleUntilMs = Date.now() + SETTLE_MS;
    if (this.#state === "closed") this.#ended.resolve();
    else if (this.#state === "idle" || this.#opening) this.abandon();
    this.#pump();
    return this.#ended.promise;
  }

  /** End at once, whatever is under way. */
  abandon() { this.#end("closed", "the page ended it"); }

  #connect() {
    this.#setState(this.#attempts || this.#session ? "reconnecting" : "connecting");
    const socket = this.#socket = openSocket(this.#url, this.#options.token);
    socket.onopen = () => this.#send(this.#init());
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#hear(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#lost(event.code, event.reason);
    };
    this.#after(OPEN_MS, () => {
      if (socket === this.#socket && this.#state !== "open") this.#drop("no answer");
    });
  }

  #init() {
    const { session_id, resume_token } = this.#session ?? {};
    this.#isResuming = Boolean(resume_token);
    const former = { session_id, resume_token, last_delivery_seq: this.#lastDelivery };
    return sessionInit(this.#options, this.#isResuming ? former : {});
  }

  #acknowledged(ack) {
    const [isNew, hadOne] = [!ack.resumed, this.#session !== null];
    this.#session = ack;
    this.#attempts = this.#pausedUntilMs = 0;
    this.#isBeatOpen = this.#closeSent = false;
    if (isNew) {
      this.#lastDelivery = 0;
      this.#audio.restart();
    } else {
      this.#audio.sendFrom(ack.next_seq ?? 0);
    }
    this.#setState("open");
    this.#emit("session", {
      sessionRef: ack.session_ref ?? null,
      resumed: !isNew,
      restarted: isNew && hadOne,
      endpointing: ack.endpointing ?? null,
      unserved: ack.unserved ?? [],
    });
    this.#opening = void this.#opening?.resolve(this.#session);
    if (isNew && hadOne && this.#room) this.joinRoom(this.#room.code, this.#room.member);
    this.#pump();
  }

  // ---- a lost line ---------------------------------------------------------------------------

  #drop(why) {
    const socket = this.#socket;
    this.#socket = null; // that it is closed may take minutes to be noticed
    socket?.close();
    this.#lost(1006, why);
  }

  #lost(code, reason) {
    this.#socket = null;
    if (this.#state === "closed") return;
    if (this.#state === "open") this.#attempts = 0;
    if (this.#closeSent && code === NORMAL) return this.#end("closed", "ended");
    if (code === TAKEN_OVER) return this.#end("taken_over", "the session goes on in another page");
    if (code === POLICY_VIOLATION) return this.#end("refused", reason || "refused by the server");
    if (this.#state !== "open") return void this.#explain(code, reason);
    if (!this.#session?.resume_token) return this.#end("lost", reason || "the line was cut");
    this.#retry(reason);
  }

  /** Find out why a socket did not open: browsers keep the reason from pages. */
  async #explain(code, reason) {
    let error = new LinguaError("line", reason || "the server does not answer");
    if (code === TRY_AGAIN_LATER) error = new LinguaError("busy", reason || "no further sessions now");
    else if (this.#opening || this.#attempts % ASK_WHY_EVERY === 1) {
      error = await whyRefused(this.#url, this.#options.token);
    }
    if (this.#state === "closed") return;
    if (this.#opening || ["token", "forbidden"].includes(error.code)) this.#fail(error);
    else this.#retry(error.message, error.code);
  }

  #retry(reason, code = "line") {
    const backOff = Math.min(FIRST_RETRY_MS * 2 ** this.#attempts, LONGEST_RETRY_MS);
    const waitMs = Math.max(backOff * (0.75 + Math.random() / 2), this.#returnAtMs - Date.now());
    this.#attempts += 1;
    this.#setState("waiting", { reason, code, retryInMs: Math.round(waitMs) });
    this.#after(waitMs, this.#wake);
  }

  #fail(error) {
    this.#opening?.reject(error);
    this.#opening = null;
    this.#end(error.code, error.message);
  }

  #end(code, reason) {
    if (this.#state === "closed") return;
    const socket = this.#socket;
    this.#socket = null;
    if (socket) socket.close(NORMAL);
    for (const stop of this.#timers) stop();
    this.#timers.clear();
    globalThis.removeEventListener?.("online", this.#wake);
    this.#setState("closed", { code, reason });
    this.#opening?.reject(new LinguaError(code, reason));
    this.#opening = null;
    this.#ended?.resolve();
  }

  // ---- speaking ------------------------------------------------------------------------------

  /** Take a piece of audio in the session's format. False: too much waits for the line already. */
  sendAudio(payload, durationMs) {
    if (this.#isEnding || this.#state === "closed") return false;
    const isTaken = this.#audio.add(payload, durationMs, Date.now());
    if (isTaken) this.#pump();
    else this.#emit("full", { heldMs: this.#audio.heldMs });
    return isTaken;
  }

  /** End the utterance here. */
  endUtterance() {
    if (!this.#isEnding && this.#audio.add(null, 0, Date.now())) this.#pump();
  }

  #pump() {
    if (this.#state !== "open" || Date.now() < this.#pausedUntilMs) return;
    while (this.#socket.bufferedAmount < MOST_UNSENT_BYTES) {
      const piece = this.#audio.next();
      if (!piece) break;
      this.#sendPiece(piece);
    }
    const isSettled = this.#audio.heldMs === 0 || Date.now() > this.#settleUntilMs;
    if (this.#isEnding && !this.#closeSent && !this.#audio.hasUnsent && isSettled) {
      this.#closeSent = true;
      this.request("session_close", { reason: "done" });
      this.#after(CLOSE_MS, () => this.#end("closed", "the server did not confirm the end"));
    }
  }

  #sendPiece(piece) {
    const { session_id, use_binary_frame, resume_token } = this.#session;
    this.#socket.send(pieceMessage(session_id, piece, use_binary_frame === true));
    if (!resume_token) this.#audio.forgetBefore(piece.seq + 1);
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Send any message of this session; `session_id` is filled in. */
  request(type, fields = {}) {
    this.#send({ type, session_id: this.#session?.session_id, ...fields });
  }

  #watch() {
    const now = Date.now();
    if (this.#state !== "open") return;
    if (this.#isBeatOpen && now - this.#beatAtMs > ANSWER_MS) return this.#drop("no answer");
    if (!this.#isBeatOpen && now - this.#beatAtMs >= HEARTBEAT_MS) {
      this.#beatAtMs = now;
      this.#isBeatOpen = true;
      this.request("client_heartbeat", { timestamp: now, last_delivery_seq: this.#lastDelivery });
    }
  }

  // ---- what may be asked for -----------------------------------------------------------------

  /** Change languages or speech in the running session; it answers with the event `updated`. */
  update({ srcLang, tgtLangs, subtitlesOnly, preferredLang }) {
    const fields = {};
    if (srcLang) fields.src_lang = this.#options.srcLang = srcLang;
    if (tgtLangs?.length) {
      this.#options.tgtLangs = tgtLangs;
      Object.assign(fields, { tgt_lang: tgtLangs[0], tgt_langs: tgtLangs });
    }
    if (subtitlesOnly !== undefined) {
      fields.pipeline = pipeline(this.#options.subtitlesOnly = subtitlesOnly);
    }
    if (preferredLang) fields.preferred_lang = preferredLang;
    this.request("session_update", fields);
  }

  /** Throw away what was said since the last cut, or end that utterance. */
  cancel(utteranceIndex) {
    this.request("utterance_cancel", { utterance_index: utteranceIndex });
  }

  createRoom(member = {}) {
    this.#room = { code: null, member };
    this.request("room_create", { client_ts: Date.now(), ...memberFields(member) });
  }

  joinRoom(code, member = {}) {
    this.#room = { code: null, member };
    this.request("room_join", { room_code: code, ...memberFields(member) });
  }

  leaveRoom() {
    if (this.#room?.code) this.request("room_leave", { room_code: this.#room.code });
    this.#room = null;
  }

  /** The microphone is off while speech plays: a silence now is no pause. */
  playbackChanged(isPlaying, { trace_id, group_id }) {
    if (!trace_id || !group_id) return;
    const [type, field] = isPlaying ? ["tts_started", "ts_start_ms"] : ["tts_play_ended", "ts_end_ms"];
    this.request(type, { trace_id, group_id, [field]: Date.now() });
  }

  // ---- hearing -------------------------------------------------------------------------------

  #hear(data) {
    const message = JSON.parse(typeof data === "string" ? data : new TextDecoder().decode(data));
    this.#emit("message", message);
    switch (message.type) {
      case "session_init_ack": return this.#acknowledged(message);
      case "audio_ack": return this.#audio.forgetBefore(message.next_seq);
      case "server_heartbeat": this.#isBeatOpen = false; return undefined;
      case "asr_partial": return this.#emit("partial", message);
      case "translation_result": return this.#outcome("result", message);
      case "missing_result": return this.#outcome("missing", message);
      case "ui_event": return this.#emit(message.event === "QUEUED" ? "queued" : "progress", message);
      case "session_updated": return this.#emit("updated", message);
      case "session_close_ack": return this.#closeSent ? this.#end("closed", "ended") : undefined;
      case "reconnect": return this.#returnLater(message.after_ms ?? 0);
      case "backpressure": return this.#pause(message.resume_after_ms ?? 1_000);
      case "room_create_ack": return this.#entered(message);
      case "room_members": return this.#emit("roommembers", message);
      case "room_error": case "room_expired": return this.#roomEnded(message);
      case "error": return this.#refused(message);
      default: return undefined; // newer servers may say more
    }
  }

  #pause(ms) { this.#pausedUntilMs = Date.now() + ms; }
  #returnLater(ms) { this.#returnAtMs = Date.now() + ms; }
  #outcome(name, message) {
    const number = message.delivery_seq;
    if (number !== undefined) {
      if (number <= this.#lastDelivery) return; // sent again after a resume
      this.#lastDelivery = number;
    }
    const spokenAgoMs = message.speaker_session_id ? null : this.sinceSpoken(message.speech_end_ms);
    this.#emit(name, { ...message, spokenAgoMs });
  }

  #entered(message) {
    this.#room = { code: message.room_code, member: this.#room?.member ?? {} };
    this.#emit("room", message);
  }

  #roomEnded(message) {
    if (message.type === "room_expired" || !this.#room?.code) this.#room = null;
    this.#emit("roomproblem", { code: message.code ?? "EXPIRED", message: message.message ?? "" });
  }

  #refused({ code, message, details }) {
    const isGone = code === "INVALID_SESSION" && this.#session?.resume_token; // moved on, say
    const isOpen = this.#state === "open";
    if (isOpen) return isGone ? this.#drop(message) : this.#emit("problem", { code, message, details });
    if (this.#isResuming && code === "INVALID_SESSION") {
      if (this.#closeSent) return this.#end("closed", "ended");
      this.#session = { ...this.#session, session_id: undefined, resume_token: undefined };
      return this.#send(this.#init()); // it is gone: begin another with what is kept
    }
    if (this.#isResuming) return this.#drop(message); // the store is away, say
    return this.#fail(new LinguaError(code, message));
  }

  #setState(state, more = {}) {
    this.#state = state;
    this.#emit("state", { state, ...more });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #after(ms, run) {
    const stop = () => clearTimeout(timer);
    const timer = setTimeout(() => { this.#timers.delete(stop); run(); }, ms);
    this.#timers.add(stop);
  }

  #every(ms, run) {
    const timer = setInterval(run, ms);
    this.#timers.add(() => clearInterval(timer));
  }
}
function memberFields({ displayName, preferredLang }) {
  return { display_name: displayName, preferred_lang: preferredLang };
}
