// What a page knows of the field: who has which tile, and where everybody is. It draws nothing.

/** As many as the topic keeps: a page that has been here for longer shows no more than one that has just come. */
const takingLimit = 300;
/** Pages send at least once a second. */
const silentMs = 3000;

/** @typedef {{ id: string, name: string, n: number, x: number, y: number }} Cursor */

export class Field {
  columns = 0;
  rows = 0;
  /** The latest ones, oldest first. @type {{ tile: number, name: string }[]} */
  #takings = [];
  /** By id. @type {Map<string, Cursor & { heardAt: number }>} */
  #cursors = new Map();

  /** On a new connection everything is told again. @param {{ columns: number, rows: number }} size */
  begin({ columns, rows }) {
    Object.assign(this, { columns, rows });
    this.#takings = [];
    this.#cursors.clear();
  }

  /** @param {{ tile: number, name: string }} taking */
  take(taking) {
    this.#takings.push(taking);
    if (this.#takings.length > takingLimit) this.#takings.shift();
  }

  /** Of each player the newest place counts, whenever it comes. @param {Cursor} cursor @param {number} now Milliseconds. */
  move(cursor, now) {
    const known = this.#cursors.get(cursor.id);
    if (known === undefined || cursor.n > known.n) this.#cursors.set(cursor.id, { ...cursor, heardAt: now });
  }

  /** @param {string} id */
  leave(id) {
    this.#cursors.delete(id);
  }

  /** Those that were heard lately: of who is cut off with its gateway, nobody says that it has left. @param {number} now */
  cursors(now) {
    for (const [id, { heardAt }] of this.#cursors) if (now - heardAt > silentMs) this.#cursors.delete(id);
    return [...this.#cursors.values()];
  }

  /** @returns {Map<number, string>} The name by the tile. */
  owners() {
    return new Map(this.#takings.map(({ tile, name }) => [tile, name]));
  }

  /** @returns {[string, number][]} Names with how many tiles they have, the most first. */
  scores() {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const name of this.owners().values()) counts.set(name, (counts.get(name) ?? 0) + 1);
    return [...counts].sort(([one, a], [other, b]) => b - a || one.localeCompare(other, "en", { numeric: true }));
  }
}
