/** What went wrong, in plain sentences: what it is, and what to do. Pure, but for the list shown. */

const PLACE = `${location.protocol}//${location.host}`;

/** Why there is no microphone, by the name of the browser's error. */
export function microphoneProblem(error) {
  switch (error.name) {
    case "InsecureContext":
      return `No microphone, because this page came without TLS (${PLACE}): browsers give one only to `
        + "https:// addresses and to localhost. Open the page by https, or translate a file instead.";
    case "NotAllowedError": case "SecurityError":
      return "This page may not use the microphone. Allow it with the icon beside the address, "
        + "then press “Start speaking” again.";
    case "NotFoundError": case "OverconstrainedError":
      return "There is no microphone. Plug one in, or translate a file instead.";
    case "NotReadableError": case "AbortError":
      return "The microphone is there but gives no sound: another program may be using it.";
    case "NoSoundDevice":
      return "This browser processes no sound: some need a loudspeaker or headphones for it. Plug one "
        + "in and press “Start speaking” again, or translate a file instead.";
    default:
      return `The microphone does not work: ${error.message}`;
  }
}

/** Why there is no session, by the code of a LinguaError. */
export function sessionProblem(error) {
  switch (error.code) {
    case "token": return "The service did not accept the access token: "
      + `${error.message}. Enter another one under “Options”.`;
    case "forbidden": return `The service does not let this page in: ${error.message}.`;
    case "unreachable": return `The service at ${location.host} does not answer. Is it running?`;
    case "path": return `There is no translation service at ${location.host}.`;
    case "busy": return `The service takes nobody further at the moment: ${error.message}.`;
    case "taken_over": return "The session goes on in another window.";
    case "refused": return `The service ended the session: ${error.message}.`;
    default: return `No connection: ${error.message}.`;
  }
}

const MISSING = {
  silence_detected: "Nothing was understood.",
  no_available_node: "No node for these languages was free in time.",
  queue_full: "Too many people wait at the moment.",
  job_timeout: "The translation took too long.",
  node_lost: "The node was lost, and the words with it.",
  instance_lost: "The server was lost, and the words with it.",
  model_not_available: "The node lacks the model for these languages.",
  processing_error: "The node could not process it.",
  session_closed: "The session ended before the translation was there.",
  cancelled: "Cancelled.",
  store_unavailable: "The service has lost its store; please say it again.",
};

/** Why an utterance has no translation. */
export function missingText(reason) {
  return MISSING[reason] ?? `No translation (${reason}).`;
}

const ROOM = {
  ROOM_NOT_FOUND: "There is no room with this code.",
  INVALID_ROOM_CODE: "A room's code has six digits.",
  ROOM_FULL: "The room is full.",
  RATE_LIMITED: "Too many wrong codes. Wait a minute.",
  ALREADY_IN_ROOM: "You are in a room already.",
  EXPIRED: "The room has ended: nobody spoke in it for a long time.",
};

export function roomText({ code, message }) {
  return ROOM[code] ?? `The room does not work: ${message || code}.`;
}

/** Shows problems under a key each; a later one of the same key replaces it. */
export class Problems {
  #list;

  constructor(list) {
    this.#list = list;
  }

  show(key, text, isWarning = false) {
    const old = this.#find(key);
    if (old?.textContent === text) return;
    const line = document.createElement("p");
    line.className = isWarning ? "problem warn" : "problem";
    line.dataset.key = key;
    line.textContent = text;
    if (old) old.replaceWith(line);
    else this.#list.append(line);
  }

  clear(...keys) {
    for (const key of keys) this.#find(key)?.remove();
  }

  #find(key) {
    return [...this.#list.children].find((line) => line.dataset.key === key);
  }
}
