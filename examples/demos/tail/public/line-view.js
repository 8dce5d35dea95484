// The latest lines of a log, of which the page holds only those rows that can be seen. They are drawn once a frame at most, however many
// lines come.

import { parseAnsi, withoutAnsi } from "./ansi.js";

const keptLines = 2000;
/** As in tail.css. */
const rowPixels = 20;
/** Of a line of 16 KiB, nobody reads more. */
const drawnCharacters = 2000;

/** @typedef {string | { note: string }} Entry A line as it came, or what the page itself has to say. */

export class LineView {
  /** @type {Entry[]} */
  #kept = [];
  /** @type {Entry[]} Those that the filter lets through. */
  #shown = [];
  #filter = "";
  #isFollowing = true;
  /** What each row shows, so that it is drawn only if that changes. @type {(Entry | undefined)[]} */
  #drawn = [];
  #frame = 0;
  /** @type {(() => void)[]} */
  #afterDrawing = [];

  /** @param {HTMLElement} box It scrolls. @param {(isFollowing: boolean) => void} onFollowing Somebody has scrolled away from the end, or back. */
  constructor(box, onFollowing) {
    this.box = box;
    this.onFollowing = onFollowing;
    this.space = box.appendChild(document.createElement("div"));
    this.rows = this.space.appendChild(document.createElement("div"));
    this.space.className = "space";
    this.rows.className = "rows";
    box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#drawSoon()).observe(box);
  }

  /** @param {Entry[]} entries @param {() => void} onDrawn Called when they can be seen: in a hidden tab that is when somebody looks. */
  add(entries, onDrawn) {
    this.#kept = latest(this.#kept, entries);
    this.#shown = latest(
      this.#shown,
      entries.filter((entry) => this.#passes(entry)),
    );
    this.#afterDrawing.push(onDrawn);
    this.#drawSoon();
  }

  /** @param {string} text */
  filter(text) {
    this.#filter = text.toLowerCase();
    this.#shown = this.#kept.filter((entry) => this.#passes(entry));
    this.#drawSoon();
  }

  /** @param {boolean} isFollowing */
  follow(isFollowing) {
    this.#isFollowing = isFollowing;
    this.#drawSoon();
  }

  #passes(entry) {
    return this.#filter === "" || (typeof entry === "string" && withoutAnsi(entry).toLowerCase().includes(this.#filter));
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.box;
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - rowPixels;
    if (isAtEnd !== this.#isFollowing) {
      this.#isFollowing = isAtEnd;
      this.onFollowing(isAtEnd);
    }
    this.#drawSoon();
  }

  #drawSoon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
      for (const onDrawn of this.#afterDrawing.splice(0)) onDrawn();
    });
  }

  // Reads everything first and writes then, so that the browser lays the page out once.
  #draw() {
    const { clientHeight, scrollTop } = this.box;
    const shown = this.#shown;
    const count = Math.min(shown.length, Math.ceil(clientHeight / rowPixels) + 1);
    const last = shown.length - count;
    const first = this.#isFollowing ? last : Math.min(last, Math.floor(scrollTop / rowPixels));
    const height = `${shown.length * rowPixels}px`;
    if (this.space.style.height !== height) this.space.style.height = height;
    const top = `translateY(${first * rowPixels}px)`;
    if (this.rows.style.transform !== top) this.rows.style.transform = top;
    while (this.rows.children.length < count) this.rows.append(document.createElement("div"));
    while (this.rows.children.length > count) this.rows.lastElementChild?.remove();
    this.#drawn.length = count;
    for (let row = 0; row < count; row++) {
      const entry = shown[first + row];
      if (entry === this.#drawn[row]) continue;
      this.#drawn[row] = entry;
      drawRow(this.rows.children[row], entry);
    }
    if (this.#isFollowing) this.box.scrollTop = shown.length * rowPixels;
  }
}

/** @param {Entry[]} before @param {Entry[]} added */
function latest(before, added) {
  return [...before.slice(Math.max(0, before.length + added.length - keptLines)), ...added.slice(-keptLines)];
}

/** @param {Entry} entry */
function drawRow(row, entry) {
  const isNote = typeof entry !== "string";
  row.className = isNote ? "note" : "";
  if (isNote) {
    row.textContent = entry.note;
    return;
  }
  row.replaceChildren(
    ...parseAnsi(entry.slice(0, drawnCharacters)).map(({ text, classes }) => {
      if (classes.length === 0) return text;
      const span = document.createElement("span");
      span.className = classes.join(" ");
      span.textContent = text;
      return span;
    }),
  );
}
