// How a gateway that ends takes leave of its connections. Where another gateway serves, a batch at a time, with 1012, so that those
// who come back do not all come at once; else all together, with 1001. A connection that is to leave takes nothing more, and is
// closed once what it had taken has committed, its sends included, or when its time is up. Pure: sockets and the clock are handed in.

import { runSlice, sliceMs } from "../process/time-slice.ts";
import type { ErrorCode } from "../protocol/errors.ts";
import type { Connection, Intake } from "./connection.ts";

/** A connection, or a WebSocket here whose session another gateway has. */
export interface Leaver {
  readonly socket: { end(code: number, reason: string): void } | undefined;
  intake: Intake;
  /** Uncommitted. */
  readonly events: { readonly length: number };
}

export interface ConnectionDrainOptions<Each extends Leaver = Connection> {
  readonly now: () => number;
  /** All that have not ended, the oldest first. An iteration meets those that are let in meanwhile, too. */
  readonly connections: () => Iterable<Each>;
  /** How many of them have a socket. */
  readonly open: () => number;
  /** Whether another gateway takes whoever comes back. */
  readonly hasPeer: () => boolean;
  readonly limits: {
    /** How many are told to leave at once, and how long it takes until the next. More where it would take too long. */
    readonly batch: number;
    readonly pauseMs: number;
    /** After so long, whoever is still there is closed, whatever it waits for. */
    readonly closeMs: number;
  };
  /** Closes the socket. */
  readonly close: (connection: Each, code: ErrorCode) => void;
  readonly onBatch: (told: number, left: number) => void;
}

/** Where all are told at once: how soon those are told who were let in meanwhile. */
const lookMs = 20;

export class ConnectionDrain<Each extends Leaver = Connection> {
  private readonly options: ConnectionDrainOptions<Each>;
  private readonly closeBy: number;
  /** They take nothing more, and are closed once nothing of them is uncommitted. */
  private readonly leaving = new Set<Each>();
  /** Where the last batch has ended. */
  private rest: Iterator<Each> | undefined;
  private toldAt = Number.NEGATIVE_INFINITY;
  /** What is under way: a batch, and a look at those that are leaving. */
  private telling: Iterator<void> | undefined;
  private looking: Iterator<void> | undefined;

  constructor(options: ConnectionDrainOptions<Each>) {
    this.options = options;
    this.closeBy = options.now() + options.limits.closeMs;
  }

  /**
   * To be called every few milliseconds: one slice of what is to be done.
   * @returns whether the next slice has something to do at once.
   */
  step(): boolean {
    const { now } = this.options;
    const start = now();
    this.looking ??= this.closeCommitted();
    // No more than a half: those who are not told yet would wait for all that are.
    if (runSlice(this.looking, now, start + sliceMs / 2)) this.looking = undefined;
    this.telling ??= this.nextBatch(start);
    if (this.telling !== undefined && runSlice(this.telling, now, start + sliceMs)) this.telling = undefined;
    return this.looking !== undefined || this.telling !== undefined;
  }

  private get isLate(): boolean {
    return this.options.now() >= this.closeBy;
  }

  // Among `leaving` may be some that have closed by themselves since they were looked at: then it is too low for a moment.
  private get untold(): number {
    return this.options.open() - this.leaving.size;
  }

  private nextBatch(now: number): Iterator<void> | undefined {
    const { hasPeer, limits } = this.options;
    const isAll = this.isLate || !hasPeer();
    if (now - this.toldAt < (isAll ? lookMs : limits.pauseMs) || this.untold <= 0) return undefined;
    this.toldAt = now;
    return this.tell(isAll ? Number.POSITIVE_INFINITY : this.batch(now));
  }

  private *tell(most: number): Generator<void> {
    let told = 0;
    this.rest ??= this.options.connections()[Symbol.iterator]();
    while (told < most) {
      const { value: connection, done } = this.rest.next();
      if (done) {
        this.rest = undefined;
        break;
      }
      if (connection.socket !== undefined && !this.leaving.has(connection)) {
        if (connection.intake === "open") connection.intake = "closing";
        this.leaving.add(connection);
        this.closeIfCommitted(connection);
        told++;
      }
      yield;
    }
    if (told > 0) this.options.onBatch(told, this.untold);
  }

  private *closeCommitted(): Generator<void> {
    for (const connection of this.leaving) {
      this.closeIfCommitted(connection);
      yield;
    }
  }

  private closeIfCommitted(connection: Each): void {
    if (connection.socket !== undefined && connection.events.length > 0 && !this.isLate) return;
    this.leaving.delete(connection);
    if (connection.socket !== undefined) this.options.close(connection, this.options.hasPeer() ? "gateway.restarts" : "gateway.ends");
  }

  // More where the last one would be late.
  private batch(now: number): number {
    const { batch, pauseMs } = this.options.limits;
    const batches = pauseMs === 0 ? 1 : Math.max(1, Math.floor((this.closeBy - now) / pauseMs));
    return Math.max(batch, Math.ceil(this.untold / batches));
  }
}
