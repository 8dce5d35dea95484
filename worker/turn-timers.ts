// What one turn makes of its connection's timers: kept apart until it commits, so that a turn that throws has changed nothing. Pure.

import { CodedError } from "../protocol/errors.ts";

/** Of a connection, as of its last commit: the number of the timer of each name, and the highest that one ever had. */
export interface CommittedTimers {
  readonly byName: Map<string, number>;
  last: number;
}

const nameBytes = 64;
/** What a timer of Node.js takes at most. */
const longestMs = 2 ** 31 - 1;

export class TurnTimers {
  private readonly committed: CommittedTimers;
  /** undefined: cleared. */
  private readonly changes = new Map<string, number | undefined>();
  private last: number;
  private readonly fired: number | undefined;

  /** @param fired The number of the one whose turn this is: it is done with when the turn is. Another of its name is not. */
  constructor(committed: CommittedTimers, fired: number | undefined) {
    this.committed = committed;
    this.fired = fired;
    this.last = committed.last;
  }

  has(name: string): boolean {
    if (this.changes.has(name)) return this.changes.get(name) !== undefined;
    const number = this.committed.byName.get(name);
    return number !== undefined && number !== this.fired;
  }

  get size(): number {
    const names = new Set([...this.committed.byName.keys(), ...this.changes.keys()]);
    return [...names].filter((name) => this.has(name)).length;
  }

  /** The number that the next one gets. */
  get next(): number {
    return this.last + 1;
  }

  set(name: string): void {
    this.changes.set(name, ++this.last);
  }

  clear(name: string): void {
    this.changes.set(name, undefined);
  }

  /** The connection has these from now on. */
  commit(): void {
    const { committed, changes } = this;
    for (const [name, number] of changes) {
      if (number === undefined) committed.byName.delete(name);
      else committed.byName.set(name, number);
    }
    committed.last = this.last;
    changes.clear();
  }
}

/** @throws {CodedError} "timer.invalid" */
export function checkTimerName(name: unknown): void {
  if (typeof name === "string" && name !== "" && Buffer.byteLength(name) <= nameBytes && name.isWellFormed()) return;
  throw new CodedError("timer.invalid", `a timer's name is text of 1 to ${nameBytes} bytes`);
}

/** @throws {CodedError} "timer.invalid" */
export function checkTimerMs(ms: unknown): void {
  if (Number.isInteger(ms) && (ms as number) >= 1 && (ms as number) <= longestMs) return;
  throw new CodedError("timer.invalid", `a timer's time is a whole number of milliseconds from 1 to ${longestMs}, not ${ms}`);
}
