/**
 * What is being said at this moment: for each speaker the text so far, and its translation below.
 *
 * Owns the elements of that place. A text grows and changes until its utterance has an outcome; what
 * will not change any more looks like it. One that nothing is heard of any more goes by itself: what
 * came to nothing has no outcome.
 */

const STALE_AFTER_MS = 15_000;

export class Growing {
  #place;
  #speakers = new Map();

  constructor(place) { this.#place = place; }

  /** `name` is the speaker's, in a room; null: one's own words. */
  show(message, name) {
    const key = name ?? "";
    if (!message.text) return this.hide(key);
    const shown = this.#speakers.get(key) ?? this.#add(key, name);
    const characters = [...message.text]; // not the halves of which JavaScript counts some of them
    shown.stable.textContent = characters.slice(0, message.stable_chars ?? 0).join("");
    shown.rest.textContent = characters.slice(message.stable_chars ?? 0).join("");
    // A translation lags behind the text; one that is there stays until there is a later one.
    if (message.text_translated || shown.index !== message.utterance_index) {
      shown.translation.textContent = message.text_translated ?? "";
    }
    shown.index = message.utterance_index;
    clearTimeout(shown.timer);
    shown.timer = setTimeout(() => this.hide(key), STALE_AFTER_MS);
    this.#place.hidden = false;
  }

  /** The utterance has its outcome, or none will come. */
  hide(key = "") {
    const shown = this.#speakers.get(key);
    if (!shown) return;
    clearTimeout(shown.timer);
    shown.root.remove();
    this.#speakers.delete(key);
    this.#place.hidden = this.#speakers.size === 0;
  }

  clear() {
    for (const key of [...this.#speakers.keys()]) this.hide(key);
  }

  #add(key, name) {
    const shown = {
      root: element("div", "growing"), stable: element("span", "stable"), rest: element("span", "rest"),
      translation: element("p", "so-far"), index: null, timer: 0,
    };
    const text = element("p", "words");
    text.append(shown.stable, shown.rest);
    if (name) shown.root.append(element("p", "speaker", name));
    shown.root.append(text, shown.translation);
    this.#place.append(shown.root);
    this.#speakers.set(key, shown);
    return shown;
  }
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
