/** The room's part of the page: opening, entering by code or link, who is in it, sharing. */

import { languageName } from "./languages.js";
import { roomText } from "./problems.js";

const CODE = /^[0-9]{6}$/;

/** Event: `left`, of its own will. `connect()` returns a client with an open session, or null; `language()` is what this member hears. */
export class RoomPanel extends EventTarget {
  #find;
  #problems;
  #connect;
  #language;
  #client = null;
  #names = new Map();
  #code = null;

  constructor(find, problems, connect, language) {
    super();
    this.#find = find;
    this.#problems = problems;
    this.#connect = connect;
    this.#language = language;
    find("room-create").addEventListener("click", () => this.#enter(null));
    find("room-join").addEventListener("click", () => this.#enter(find("code").value.trim()));
    find("code").addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#enter(find("code").value.trim());
    });
    find("room-leave").addEventListener("click", () => this.leave());
    find("room-share").addEventListener("click", () => this.#share());
  }

  get isIn() { return this.#code !== null; }

  /** Return how a speaker is shown; null for this page itself. */
  nameOf(alias) {
    return alias ? this.#names.get(alias) ?? "Somebody" : null;
  }

  /** The client of a session that begins; its room events are shown. */
  attach(client) {
    this.#client = client;
    client.addEventListener("room", ({ detail }) => this.#entered(detail.room_code));
    client.addEventListener("roommembers", ({ detail }) => this.#members(detail.members));
    client.addEventListener("roomproblem", ({ detail }) => {
      this.#problems.show("room", roomText(detail));
      if (detail.code === "EXPIRED" || !client.room) this.#left();
    });
    client.addEventListener("state", ({ detail }) => {
      if (detail.state === "closed") this.#left();
    });
  }

  /** Enter the room of a shared link. */
  follow(code) {
    if (!CODE.test(code)) return;
    this.#find("code").value = code;
    this.#find("room").open = true;
  }

  leave() {
    this.#client?.leaveRoom();
    this.#left();
    this.dispatchEvent(new Event("left"));
  }

  /** What this member wants to hear has changed. */
  languageChanged() {
    if (this.isIn) this.#client?.update({ preferredLang: this.#language() });
  }

  async #enter(code) {
    this.#problems.clear("room");
    if (code !== null && !CODE.test(code)) {
      this.#problems.show("room", roomText({ code: "INVALID_ROOM_CODE" }));
      return;
    }
    const client = await this.#connect();
    if (!client) return;
    const member = {
      displayName: this.#find("name").value.trim() || undefined, preferredLang: this.#language(),
    };
    if (code === null) client.createRoom(member);
    else client.joinRoom(code, member);
  }

  #entered(code) {
    this.#code = code;
    this.#find("room-code").textContent = code;
    this.#find("room").open = true;
    this.#find("room-out").hidden = true;
    this.#find("room-in").hidden = false;
    history.replaceState(null, "", this.#link());
    this.#problems.clear("room");
  }

  #left() {
    if (this.#code) history.replaceState(null, "", location.pathname);
    this.#code = null;
    this.#names.clear();
    this.#find("members").replaceChildren();
    this.#find("room-out").hidden = false;
    this.#find("room-in").hidden = true;
  }

  #members(members) {
    this.#names = new Map(members.map((member, index) => [
      member.session_id, member.display_name || `Guest ${index + 1}`,
    ]));
    const own = this.#client.session?.session_id;
    this.#find("members").replaceChildren(...members.map((member) => {
      const line = document.createElement("li");
      const hears = member.preferred_lang ? `, hears ${languageName(member.preferred_lang)}` : "";
      const isOwn = member.session_id === own;
      line.textContent = `${this.#names.get(member.session_id)}${isOwn ? " (you)" : ""}${hears}`;
      return line;
    }));
  }

  #link() {
    return `${location.pathname}#room=${this.#code}`;
  }

  async #share() {
    const url = new URL(this.#link(), location.href).href;
    const shared = this.#find("room-shared");
    try {
      if (navigator.share) await navigator.share({ title: document.title, url });
      else await navigator.clipboard.writeText(url);
      shared.textContent = navigator.share ? "" : "Link copied";
    } catch (error) {
      if (error.name !== "AbortError") shared.textContent = url; // to be copied by hand
    }
  }
}
