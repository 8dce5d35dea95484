// Timers that handlers set for a connection: kept here with its thin state, so they outlive workers. A timer that has come due becomes an
// event like others, which is kept until its turn has committed: so it runs exactly once. Each setTimer has a number, which its worker
// gives it: an event with another number than the timer of its name now has was cleared or replaced by a turn before it. Pure.

import type { Slices } from "../process/time-slice.ts";
import { decodeTimer, encodeTimer } from "../protocol/payloads.ts";
import { toWorker } from "../protocol/records.ts";
import { matchRoute } from "../protocol/route-table.ts";
import type { Connection } from "./connection.ts";
import { DueItems } from "./due-items.ts";
import { ConnectionEvent } from "./event.ts";
import { type Bucket, TimingWheel } from "./timing-wheel.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** One comes due up to twice so much after its time, and never before: its bucket ends later than it, and is looked at later than that. */
const timerTickMs = 10;

/** Of all timers, what one owner may have. */
const ownerShare = 1 / 4;

export interface TimerLimits {
  /** Of all connections together, that have not been given to a worker. */
  readonly timers: number;
}

export interface TimersOptions extends Slices {
  readonly after: (ms: number, run: () => void) => void;
  /** Read each time. */
  readonly limits: TimerLimits;
  /** Those that have come due and wait for a worker: they count, until one has them. */
  readonly waiting: () => number;
  /** Puts the event behind all others of the connection. */
  readonly park: (connection: Connection, event: ConnectionEvent) => void;
  readonly onBug: (connection: Connection, error: unknown) => void;
}

/** Whose timers these are: an address. */
export interface TimerOwner {
  timers: number;
}

interface Timer {
  readonly connection: Connection;
  readonly name: string;
  readonly number: number;
  /** undefined: it has come due, and its event has not committed. */
  bucket: Bucket<Timer> | undefined;
}

/** Of a connection that has ever had one. */
export class ConnectionTimers {
  /** The highest number that one had. */
  last = 0;
  readonly byName = new Map<string, Timer>();
  /** Events of its timers that wait for a worker. */
  waiting = 0;
  /** undefined: it may have all. */
  readonly owner: TimerOwner | undefined;

  constructor(owner: TimerOwner | undefined) {
    this.owner = owner;
  }
}

export class Timers {
  /** Those that have not come due. */
  size = 0;
  readonly counters = { due: 0 };
  private readonly options: TimersOptions;
  private readonly wheel = new TimingWheel<Timer>(timerTickMs);
  private readonly due: DueItems<Timer>;
  private isTicking = false;

  constructor(options: TimersOptions) {
    this.options = options;
    this.due = new DueItems(options, (timer) => this.comeDue(timer));
  }

  /** @param names Of timers that a connection would set: one that is set already takes no room. @param owner undefined: it may have all. */
  hasRoom(connection: Connection, names: ReadonlySet<string>, owner: TimerOwner | undefined): boolean {
    const { timers } = this.options.limits;
    let more = 0;
    for (const name of names) if (connection.timers?.byName.get(name)?.bucket === undefined) more++;
    const all = this.size + this.options.waiting() + more;
    return more === 0 || (all <= timers && (owner === undefined || owner.timers + more <= timers * ownerShare));
  }

  /** Another one of this name does not count any more. */
  set(connection: Connection, { ms, number, name }: { ms: number; number: number; name: string }, owner?: TimerOwner): void {
    this.clear(connection, name);
    // None after its close. One of this name that had come due before is replaced all the same.
    if (connection.intake === "closed") return;
    connection.timers ??= new ConnectionTimers(owner);
    const { timers } = connection;
    timers.last = Math.max(timers.last, number);
    const timer: Timer = { connection, name, number, bucket: undefined };
    timer.bucket = this.wheel.add(timer, this.options.now() + ms);
    timers.byName.set(name, timer);
    this.count(timer, 1);
    this.tickSoon();
  }

  clear({ timers }: Connection, name: string): void {
    const timer = timers?.byName.get(name);
    if (timer === undefined) return;
    timers?.byName.delete(name);
    this.stop(timer);
  }

  /** Its socket has closed: those that have come due before have a turn before its onClose, and no others. */
  forget({ timers }: Connection): void {
    if (timers === undefined) return;
    for (const timer of timers.byName.values()) {
      if (timer.bucket === undefined) continue;
      timers.byName.delete(timer.name);
      this.stop(timer);
    }
  }

  private stop(timer: Timer): void {
    if (timer.bucket === undefined) return;
    this.wheel.remove(timer, timer.bucket);
    timer.bucket = undefined;
    this.count(timer, -1);
  }

  private count({ connection: { timers } }: Timer, more: number): void {
    this.size += more;
    if (timers?.owner !== undefined) timers.owner.timers += more;
  }

  private tickSoon(): void {
    if (this.isTicking) return;
    this.isTicking = true;
    this.options.after(timerTickMs, () => {
      this.isTicking = false;
      this.tick();
      if (this.size > 0) this.tickSoon();
    });
  }

  private tick(): void {
    this.due.add(this.wheel.take(this.options.now()));
  }

  private comeDue(timer: Timer): void {
    const { connection, number, name } = timer;
    timer.bucket = undefined;
    this.count(timer, -1);
    if (connection.intake !== "open") return;
    this.counters.due++;
    try {
      this.options.park(connection, new ConnectionEvent(toWorker.timer, encodeTimer(number, name)));
    } catch (error) {
      this.options.onBug(connection, error);
    }
  }
}

/** What a pin says of them. */
export function pinnedTimers({ timers }: Connection): { timers?: Array<[name: string, number: number]>; lastTimer?: number } {
  if (timers === undefined) return {};
  return { timers: [...timers.byName.values()].map(({ name, number }) => [name, number]), lastTimer: timers.last };
}

/** The event has committed, or its worker has no turn for it. */
export function endTimer({ timers }: Connection, event: ConnectionEvent): void {
  const { number, name } = decodeTimer(event.payload);
  if (timers?.byName.get(name)?.number === number) timers.byName.delete(name);
}

/** Whether this worker has turns for timers. */
export function hearsTimers({ path }: Connection, { table }: WorkerPeer): boolean {
  return matchRoute(table, path)?.route.timers === true;
}
