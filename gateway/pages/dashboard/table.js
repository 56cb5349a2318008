/**
 * Table: rows by key, changed in place, so that what has the focus keeps it from second to second.
 *
 * A column is {title, value(row), kind, mark(row), buttons(row)}: `value` for the text and for
 * sorting, `kind` the class of its cells, `mark` "warn" or "bad", `buttons` [{label, run}].
 */

const MOST_ROWS = 500;

export class Table {
  #columns;
  #key;
  #body;
  #heads = [];
  #rows = new Map();
  #last = [];
  #sort;
  #empty;

  constructor(table, columns, { key, caption, empty, sort = null }) {
    this.#columns = columns;
    this.#key = key;
    this.#sort = sort; // {index, isDown}
    this.#empty = empty;
    const title = document.createElement("caption");
    title.className = "soft";
    title.textContent = caption ?? "";
    title.hidden = !caption;
    const head = document.createElement("thead");
    head.append(this.#headRow());
    this.#body = document.createElement("tbody");
    table.replaceChildren(title, head, this.#body);
  }

  show(rows) {
    this.#last = rows;
    const shown = this.#sorted(rows).slice(0, MOST_ROWS);
    const keys = new Set(shown.map((row) => String(this.#key(row))));
    for (const [key, line] of this.#rows) {
      if (!keys.has(key)) {
        line.remove();
        this.#rows.delete(key);
      }
    }
    shown.forEach((row, place) => {
      const line = this.#line(row);
      if (this.#body.children[place] !== line) this.#body.insertBefore(line, this.#body.children[place] ?? null);
    });
    this.#note(shown.length ? rows.length - shown.length : -1);
  }

  #note(hidden) {
    let note = this.#body.querySelector("tr.note");
    if (!hidden) return note?.remove();
    if (!note) {
      note = document.createElement("tr");
      note.className = "note";
      note.append(document.createElement("td"));
      note.firstChild.colSpan = this.#columns.length;
      note.firstChild.className = "soft";
    }
    note.firstChild.textContent = hidden < 0 ? this.#empty : `${hidden} more are not shown`;
    return this.#body.append(note);
  }

  #headRow() {
    const line = document.createElement("tr");
    this.#columns.forEach((column, index) => {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.className = column.kind === "number" ? "number" : "";
      if (column.value && column.title) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = column.title;
        button.addEventListener("click", () => this.#sortBy(index));
        cell.append(button);
      } else {
        cell.textContent = column.title;
      }
      this.#heads.push(cell);
      line.append(cell);
    });
    this.#showSort();
    return line;
  }

  #sortBy(index) {
    this.#sort = { index, isDown: this.#sort?.index === index ? !this.#sort.isDown : false };
    this.#showSort();
    this.show(this.#last);
  }

  #showSort() {
    this.#heads.forEach((cell, index) => {
      if (this.#sort?.index !== index) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", this.#sort.isDown ? "descending" : "ascending");
    });
  }

  #sorted(rows) {
    if (!this.#sort) return rows;
    const { index, isDown } = this.#sort;
    const column = this.#columns[index];
    const value = column.order ?? column.value;
    const sign = isDown ? -1 : 1;
    return [...rows].sort((one, other) => sign * compared(value(one), value(other)));
  }

  #line(row) {
    const key = String(this.#key(row));
    let line = this.#rows.get(key);
    if (!line) {
      line = document.createElement("tr");
      for (const _ of this.#columns) line.append(document.createElement("td"));
      this.#rows.set(key, line);
    }
    this.#columns.forEach((column, index) => fill(line.children[index], column, row));
    return line;
  }
}

function compared(one, other) {
  const [isOne, isOther] = [one !== null && one !== undefined, other !== null && other !== undefined];
  if (!isOne || !isOther) return Number(isOther) - Number(isOne); // what is unknown comes last
  return typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
}

function fill(cell, column, row) {
  const className = [column.kind, column.mark?.(row)].filter(Boolean).join(" ");
  if (cell.className !== className) cell.className = className;
  if (column.buttons) {
    fillButtons(cell, column.buttons(row));
    return;
  }
  const text = String((column.show ?? column.value)(row) ?? "–");
  if (cell.textContent !== text) cell.textContent = text;
}

function fillButtons(cell, wanted) {
  const labels = wanted.map(({ label }) => label).join("|");
  if (cell.dataset.labels !== labels) {
    cell.dataset.labels = labels;
    cell.replaceChildren(...wanted.map(({ label, about, isDanger }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = isDanger ? "small danger" : "small";
      button.textContent = label;
      button.setAttribute("aria-label", `${label} ${about}`);
      return button;
    }));
  }
  wanted.forEach(({ run }, index) => { cell.children[index].onclick = run; });
}
