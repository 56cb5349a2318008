/** Types of lingua-client.js: one speech translation session, over as many sockets as it takes. */

import type {
  AsrPartial, MissingResult, RoomCreateAck, RoomMembers, SessionInitAck, SessionUpdated,
  TranslationResult, UiEvent, Unserved,
} from "./lingua-messages.js";

export type SessionFormat = "opus" | "pcm16";

export interface ClientOptions {
  /** Of `/ws/session`; `http` and `https`, and addresses relative to the page, are taken as well. */
  url: string | URL;
  /** Sent as the WebSocket sub-protocol `bearer.TOKEN`. */
  token?: string;
  srcLang: string;
  /** At most 8; in a room each member hears its own language instead. */
  tgtLangs?: string[];
  /** Where `tgtLangs` is absent. */
  tgtLang?: string;
  /** What `sendAudio` is given: PCM16 little-endian, 16 kHz, mono (default), or opus packets, each
   * behind its length in two bytes, little-endian. See `bestFormat()`. */
  audioFormat?: SessionFormat;
  /** No speech comes back. */
  subtitlesOnly?: boolean;
  /** How speech comes back; absent: as the node sends it. */
  ttsFormat?: SessionFormat;
  /** Who ends utterances (default `server`: where the speaker pauses). */
  endpointing?: "server" | "client" | "auto";
  /** Come back after a cut line without losing a word (default true). */
  resume?: boolean;
  /** Audio that is kept until it is safe (default 16 MiB). */
  maxHeldBytes?: number;
  platform?: string;
  /** Further fields of `session_init`: `hints`, `voice`, `traceparent`, … */
  more?: Record<string, unknown>;
}

export type ClientState =
  | "idle"
  | "connecting"
  | "open"
  /** The line is down; `retryInMs` says when it is tried again. Audio is taken and kept. */
  | "waiting"
  | "reconnecting"
  | "closed";

export interface StateChange {
  state: ClientState;
  /** With `waiting` and `closed`: as in LinguaError; `closed` after an end that was wanted. */
  code?: string;
  reason?: string;
  retryInMs?: number;
}

export interface SessionBegun {
  /** What logs and operators call the session; no secret. */
  sessionRef: string | null;
  /** The session of before goes on. */
  resumed: boolean;
  /** The session of before is gone; audio without outcome was sent again. `utterance_index` begins anew. */
  restarted: boolean;
  endpointing: string | null;
  /** What no node serves now. */
  unserved: Unserved[];
}

/** With how long ago the last word was spoken, in ms; null where it is unknown. */
export type Result = TranslationResult & { spokenAgoMs: number | null };
export type Missing = MissingResult & { spokenAgoMs: number | null };

export interface ClientEvents {
  state: StateChange;
  session: SessionBegun;
  /** Text so far; a later one of the same utterance replaces it. */
  partial: AsrPartial;
  /** An utterance's translation; each comes once, in order, unless `late`. */
  result: Result;
  /** An utterance that has none, and why. */
  missing: Missing;
  /** It waits for a node: `wait_ms_estimate`, or null and `reason` `no_node`. */
  queued: UiEvent;
  progress: UiEvent;
  /** The answer to `update`. */
  updated: SessionUpdated;
  /** More waits for the line than may be kept: the piece was not taken. */
  full: { heldMs: number };
  room: RoomCreateAck;
  roommembers: RoomMembers;
  roomproblem: { code: string; message: string };
  /** The server refused a message. */
  problem: { code: string; message: string; details?: unknown };
  /** Every message of the server, as it is. */
  message: { type: string };
}

/**
 * `token`: wrong or missing; `forbidden`: this page or address may not; `unreachable`; `path`: no
 * such service there; `busy`; `line`: cut before it opened; `refused`, `taken_over`, `lost`: ended by
 * the server; else a code of the server's `error`.
 */
export class LinguaError extends Error {
  readonly code: string;
  constructor(code: string, message: string);
}

export interface RoomMemberOptions {
  displayName?: string;
  /** What this member hears; absent: the language it speaks. */
  preferredLang?: string;
}

export class LinguaClient extends EventTarget {
  constructor(options: ClientOptions);
  readonly state: ClientState;
  readonly session: SessionInitAck | null;
  readonly options: ClientOptions;
  /** Audio, in ms, that has no outcome yet. */
  readonly heldMs: number;
  /** The code of the room it is in. */
  readonly room: string | null;
  /** Begin; rejects with a LinguaError. A client is opened once. */
  open(): Promise<SessionInitAck>;
  /** Send what is left, wait for the last outcome (at most a minute), and end. */
  close(): Promise<void>;
  /** End at once, whatever is under way. */
  abandon(): void;
  /** Take audio in `audioFormat`, also while the line is down. False: it was not taken, see `full`. */
  sendAudio(payload: Uint8Array, durationMs: number): boolean;
  /** End the utterance here. */
  endUtterance(): void;
  /** Change the running session; what was said so far keeps the former values. */
  update(changes: {
    srcLang?: string; tgtLangs?: string[]; subtitlesOnly?: boolean; preferredLang?: string;
  }): void;
  /** Throw away what was said since the last cut, or end that utterance. */
  cancel(utteranceIndex?: number): void;
  createRoom(member?: RoomMemberOptions): void;
  joinRoom(code: string, member?: RoomMemberOptions): void;
  leaveRoom(): void;
  /** The microphone is off while speech plays, with the ids of the result that is played. */
  playbackChanged(isPlaying: boolean, result: { trace_id?: string; group_id?: string }): void;
  /** Send any other message; `session_id` is filled in. */
  request(type: string, fields?: Record<string, unknown>): void;
  /** How long ago, in ms, the audio up to this place of the session was spoken. */
  sinceSpoken(audioMs: number | null | undefined): number | null;
  addEventListener<Name extends keyof ClientEvents>(
    name: Name, listener: (event: CustomEvent<ClientEvents[Name]>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    name: string, listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** `opus` where this browser encodes it as it goes out (WebCodecs), else `pcm16`. */
export function bestFormat(): Promise<SessionFormat>;

/** A microphone that speaks into a client. Events: `level` {rms}, `ended`, `problem` {message}. */
export class Microphone extends EventTarget {
  /** Rejects as getUserMedia does, with the name `InsecureContext` on a page without TLS, and with
   * `NoSoundDevice` where the browser processes no sound. */
  static open(
    client: LinguaClient, options?: { deviceId?: string; echoCancellation?: boolean },
  ): Promise<Microphone>;
  /** Nothing is sent while it is. */
  isMuted: boolean;
  endUtterance(): Promise<void>;
  close(): Promise<void>;
}

/** A file that the browser can decode, spoken into a client at three times its speed. */
export class FileSpeech {
  /** Resolves when all of it was taken; `progress` hears a fraction from 0 to 1. */
  speak(client: LinguaClient, file: Blob, progress?: (fraction: number) => void): Promise<void>;
  stop(): void;
}

/** Plays speech in order. Events: `start` {key, durationMs}, `end` {key}, `busy`, `idle`, `problem`. */
export class SpeechPlayer extends EventTarget {
  static playsOpus(): Promise<boolean>;
  readonly isPlaying: boolean;
  /** To be called from a click or a key, before which browsers play nothing. */
  unlock(): Promise<void>;
  /** Play `tts_audio` in `tts_format` after what waits already; without audio, nothing. */
  play(base64: string | undefined, format: string | undefined, key?: unknown): void;
  /** Be silent at once, and forget what waits. */
  stop(): void;
}
