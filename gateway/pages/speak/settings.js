/**
 * What is chosen on the page, kept for the next visit, and what its address asks for.
 *
 * `#room=123456`, `#from=en`, `#to=es,fr`, `#token=…` stand behind the # that no server hears. A token
 * is kept for this tab only and taken out of the address.
 */

const PLACE = "lingua-speak";
const TOKEN = "lingua-token";

export function restored() {
  const kept = read(localStorage, PLACE) ?? {};
  const asked = new URLSearchParams(location.hash.slice(1));
  const query = new URLSearchParams(location.search);
  const token = asked.get("token") ?? query.get("token");
  if (token) {
    write(sessionStorage, TOKEN, token);
    asked.delete("token");
    query.delete("token");
    const [search, hash] = [query.toString(), asked.toString()];
    history.replaceState(null, "", `${location.pathname}${search && `?${search}`}${hash && `#${hash}`}`);
  }
  return {
    room: asked.get("room"),
    languages: {
      source: asked.get("from") ?? kept.source ?? null,
      targets: asked.get("to")?.split(",") ?? kept.targets ?? [],
    },
    apply(find) {
      find("subtitles").checked = kept.subtitles === true;
      find("loudspeaker").checked = kept.loudspeaker === true;
      if (kept.format) find("format").value = kept.format;
      find("name").value = kept.name ?? "";
      find("token").value = read(sessionStorage, TOKEN) ?? "";
    },
  };
}

export function stored(find, menus) {
  write(localStorage, PLACE, {
    source: menus.source, targets: menus.targets, subtitles: find("subtitles").checked,
    loudspeaker: find("loudspeaker").checked, format: find("format").value, name: find("name").value,
  });
  write(sessionStorage, TOKEN, find("token").value.trim());
}

function read(storage, place) {
  try {
    return JSON.parse(storage.getItem(place));
  } catch {
    return null; // another program's, or storage is shut
  }
}

function write(storage, place, value) {
  try {
    storage.setItem(place, JSON.stringify(value));
  } catch {
    // private windows may keep nothing; the page works without
  }
}
