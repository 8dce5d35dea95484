// The last errors of all workers, alike ones as one, for the dashboard. Bounded. Pure.

import type { LoggedError } from "../../process/scrape.ts";

/** The ones that came last. */
const mostKept = 50;
/** Workers of which it is known how far their errors have been told. */
const mostWorkers = 2_000;

export interface ErrorRow extends Omit<LoggedError, "number"> {
  readonly release: string;
  /** How often it was logged; a log leaves out what comes too often. */
  readonly times: number;
}

export interface FailedWorker {
  readonly id: string;
  readonly release: string;
}

export class KnownErrors {
  /** The one that came last is the last. */
  private readonly rows = new Map<string, ErrorRow>();
  private readonly numbers = new Map<string, number>();

  /** By worker, the number of the last one that is known. */
  get known(): Record<string, number> {
    return Object.fromEntries(this.numbers);
  }

  /** The one that came last first. */
  get all(): ErrorRow[] {
    return [...this.rows.values()].sort((a, b) => b.at - a.at);
  }

  /** @returns whether there are news. */
  hear({ id, release }: FailedWorker, errors: readonly LoggedError[]): boolean {
    let hasNews = false;
    for (const { number, ...error } of errors) {
      if (number <= (this.numbers.get(id) ?? 0)) continue;
      this.numbers.delete(id);
      this.numbers.set(id, number);
      const [oldest] = this.numbers.keys();
      if (this.numbers.size > mostWorkers && oldest !== undefined) this.numbers.delete(oldest);
      this.add({ ...error, release });
      hasNews = true;
    }
    return hasNews;
  }

  /** A worker has ended without a word. @param at Milliseconds since 1970. */
  died({ id, release }: FailedWorker, at: number): void {
    const message = "it was killed, or has thrown where no handler was running: its supervisor's log says more";
    this.add({ at, release, text: "a worker died", message, stack: "", about: { worker: id } });
  }

  clear(): void {
    this.rows.clear();
    this.numbers.clear();
  }

  private add(error: Omit<ErrorRow, "times">): void {
    const { text, message, place = "", release, about } = error;
    // What differs each time does not count, but for the one that is shown.
    const { connection: _, gateway: __, ...same } = about;
    // Nor does what is said of a place in the code: it may quote what differs.
    const key = JSON.stringify([text, place === "" ? message : place, release, same]);
    const before = this.rows.get(key);
    this.rows.delete(key);
    this.rows.set(key, { ...error, at: Math.max(error.at, before?.at ?? 0), times: (before?.times ?? 0) + 1 });
    const [oldest] = this.rows.keys();
    if (this.rows.size > mostKept && oldest !== undefined) this.rows.delete(oldest);
  }
}
