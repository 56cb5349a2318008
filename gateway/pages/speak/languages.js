/** The menus of languages, filled from what the nodes serve now. */

const REFRESH_MS = 10_000;
const MOST_TARGETS = 8;
const names = new Intl.DisplayNames([navigator.language, "en"], { type: "language", fallback: "code" });

export function languageName(code) {
  try {
    return names.of(code);
  } catch {
    return code; // what is no BCP 47 tag
  }
}

/** Events: `change` when the choice is another; `served` after each answer of the server. */
export class LanguageMenus extends EventTarget {
  #source;
  #targets;
  #pairs = [];
  #wanted;

  constructor(source, targets, wanted) {
    super();
    this.#source = source;
    this.#targets = targets;
    this.#wanted = wanted; // {source, targets}: chosen here before, or in the address
    source.addEventListener("change", () => this.#chosen());
    targets.addEventListener("change", ({ target }) => {
      if (!this.targets.length) target.checked = true; // one has to be left
      this.#chosen();
    });
  }

  get source() { return this.#source.value; }
  get targets() { return [...this.#targets.querySelectorAll(":checked")].map((box) => box.value); }
  get hasAny() { return this.#pairs.length > 0; }

  async start() {
    await this.refresh();
    setInterval(() => { if (!document.hidden) this.refresh(); }, REFRESH_MS);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.refresh(); });
  }

  async refresh() {
    try {
      const answer = await fetch("api/v1/languages", { signal: AbortSignal.timeout(REFRESH_MS) });
      if (!answer.ok) throw new Error((await answer.json()).message);
      const { pairs } = await answer.json();
      const isOther = JSON.stringify(pairs) !== JSON.stringify(this.#pairs);
      this.#pairs = pairs;
      if (isOther || !this.#source.options.length) this.#fill();
      this.dispatchEvent(new CustomEvent("served", { detail: { error: null } }));
    } catch (error) {
      this.dispatchEvent(new CustomEvent("served", { detail: { error } }));
    }
  }

  /** Tell whether there are nodes for all of these. */
  serves(targets) {
    return targets.every((target) => this.#pairs.some((pair) => (
      pair.src_lang === this.source && pair.tgt_lang === target)));
  }

  swap() {
    const [target] = this.targets;
    if (!target) return;
    this.#wanted = { source: target, targets: [this.source] };
    this.#fill();
    this.#chosen();
  }

  #chosen() {
    this.#wanted = { source: this.source, targets: this.targets.slice(0, MOST_TARGETS) };
    this.#fillTargets();
    this.dispatchEvent(new CustomEvent("change"));
  }

  #fill() {
    const sources = new Set(this.#pairs.map((pair) => pair.src_lang).filter((code) => code !== "auto"));
    if (this.#wanted.source) sources.add(this.#wanted.source);
    const options = sorted(sources).map((code) => new Option(languageName(code), code));
    this.#source.replaceChildren(...options);
    const own = navigator.language.split("-")[0];
    this.#source.value = this.#wanted.source ?? (sources.has(own) ? own : options[0]?.value ?? "");
    this.#fillTargets();
  }

  #fillTargets() {
    const served = this.#pairs.filter((pair) => pair.src_lang === this.source && pair.tgt_lang !== this.source);
    const codes = new Set([...served.map((pair) => pair.tgt_lang), ...this.#wanted.targets]);
    codes.delete(this.source);
    const focused = document.activeElement?.value;
    const list = sorted(codes);
    const wanted = this.#wanted.targets.filter((code) => codes.has(code));
    const checked = new Set(wanted.length ? wanted : list.slice(0, 1));
    this.#targets.replaceChildren(...list.map((code) => choice(code, checked)));
    if (focused) this.#targets.querySelector(`input[value="${CSS.escape(focused)}"]`)?.focus();
  }
}

function choice(code, checked) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.value = code;
  box.checked = checked.has(code);
  label.append(box, ` ${languageName(code)}`);
  return label;
}

function sorted(codes) {
  return [...codes].sort((one, other) => languageName(one).localeCompare(languageName(other)));
}
