/**
 * What lingua-client says on the wire, and what a browser hides about a refused WebSocket. Pure but
 * for the sockets and the request that it opens.
 */

const OPEN_MS = 10_000;
const FRAME_AUDIO = 0x01;
const FRAME_FINAL = 0x02;
const PROTOCOL_WORD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/; // RFC 9110 section 5.6.2

/** Why there is no session. `code` is for programs, `message` for people. */
export class LinguaError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "LinguaError";
    this.code = code;
  }
}

/** Open a socket; its token goes as a sub-protocol, or where that cannot hold it in the address. */
export function openSocket(socketUrl, token) {
  const url = new URL(socketUrl);
  const fits = !token || PROTOCOL_WORD.test(token);
  if (!fits) url.searchParams.set("token", token);
  const socket = new WebSocket(url.href, token && fits ? [`bearer.${token}`] : []);
  socket.binaryType = "arraybuffer";
  return socket;
}

/** Return `session_init`; `former` says which session goes on, if one does. */
export function sessionInit(options, former) {
  const targets = options.tgtLangs?.length ? options.tgtLangs : [options.tgtLang];
  const init = {
    type: "session_init",
    client_version: "lingua-client-1",
    platform: options.platform,
    src_lang: options.srcLang,
    tgt_lang: targets[0],
    audio_format: options.audioFormat ?? "pcm16",
    sample_rate: 16_000,
    enable_streaming_asr: true,
    endpointing: options.endpointing ?? "server",
    use_binary_frame: true,
    resume: options.resume,
    ...options.more,
    ...former,
  };
  if (targets.length > 1) init.tgt_langs = targets;
  if (options.subtitlesOnly) init.pipeline = pipeline(true);
  if (options.ttsFormat) {
    init.tts_format = options.ttsFormat;
    init.room_tts_format = options.ttsFormat;
  }
  return init;
}

export function pipeline(subtitlesOnly) {
  return { use_asr: true, use_nmt: true, use_tts: !subtitlesOnly };
}

/** Return a piece of audio, or the end of an utterance, as the session's socket takes it. */
export function pieceMessage(sessionId, { seq, payload, atMs }, isBinary) {
  if (!isBinary) {
    return JSON.stringify({
      type: "audio_chunk", session_id: sessionId, seq, is_final: !payload,
      payload: payload ? base64Of(payload) : "", client_timestamp_ms: atMs,
    });
  }
  const id = new TextEncoder().encode(sessionId);
  const head = payload ? 12 : 10;
  const frame = new Uint8Array(head + id.length + (payload?.length ?? 0));
  const view = new DataView(frame.buffer);
  view.setUint8(0, payload ? FRAME_AUDIO : FRAME_FINAL);
  view.setUint8(1, id.length);
  view.setUint32(2, seq, true);
  view.setUint32(6, atMs % 2 ** 32, true);
  frame.set(id, head);
  if (payload) frame.set(payload, head + id.length);
  return frame;
}

export function base64Of(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(text);
}

export function bytesOfBase64(text) {
  const data = atob(text);
  const bytes = new Uint8Array(data.length);
  for (let index = 0; index < data.length; index += 1) bytes[index] = data.charCodeAt(index);
  return bytes;
}

/** Ask by HTTP what the browser does not say about a WebSocket that was refused. */
export async function whyRefused(socketUrl, token) {
  const url = new URL(socketUrl);
  url.protocol = url.protocol.replace("ws", "http");
  let answer;
  try {
    answer = await fetch(url, {
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      signal: AbortSignal.timeout(OPEN_MS), cache: "no-store", credentials: "omit",
    });
  } catch {
    const isOwn = url.origin === globalThis.location?.origin;
    return new LinguaError("unreachable", isOwn ? "the server does not answer"
      : "the server does not answer, or refuses: pages of other origins are not given the reason");
  }
  const { message = answer.statusText } = await answer.json().catch(() => ({}));
  switch (answer.status) {
    case 401: return new LinguaError("token", message);
    case 403: return new LinguaError("forbidden", message);
    case 404: return new LinguaError("path", "there is no translation service at this address");
    case 429: case 503: return new LinguaError("busy", message);
    default: return new LinguaError("line", "the WebSocket was cut before it opened; "
      + "a proxy on the way may not let WebSockets through");
  }
}
