// The ticks that a page has seen, and how many were missing or came twice.

/** What the chart shows. */
const limit = 300;

/** @typedef {{ n: number, price: number, at: number, worker: string, release: string }} Tick */

export class TickLog {
  /** By number, the latest ones. @type {Tick[]} */
  ticks = [];
  missed = 0;
  doubled = 0;
  /** The number of the last one on this connection. @type {number | undefined} */
  #last;

  /** @returns {Tick | undefined} */
  get newest() {
    return this.ticks.at(-1);
  }

  /** What comes on a new connection begins with ticks of before, most of which are known. */
  reconnected() {
    this.#last = undefined;
  }

  /** @param {Tick} tick */
  add(tick) {
    const before = this.#last ?? this.newest?.n;
    if (this.#last !== undefined && tick.n <= this.#last) {
      this.doubled++;
      return;
    }
    if (before !== undefined) this.missed += Math.max(0, tick.n - before - 1);
    this.#last = tick.n;
    if (this.newest !== undefined && tick.n <= this.newest.n) return;
    this.ticks.push(tick);
    if (this.ticks.length > limit) this.ticks.shift();
  }
}
