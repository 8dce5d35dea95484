// Connections that expire: when their time has come, their handler is asked for a turn (onExpire), in which and after which it may set a
// later time; else they are closed with 4401. The time belongs to the thin state, so it stays what it is when workers are replaced, and
// the turn is an event like others: kept until it has committed, so it happens exactly once. Messages cost nothing here. Pure.

import type { Slices } from "../process/time-slice.ts";
import type { ErrorCode } from "../protocol/errors.ts";
import { isCounted, toWorker } from "../protocol/records.ts";
import { matchRoute } from "../protocol/route-table.ts";
import type { Connection } from "./connection.ts";
import { DueItems } from "./due-items.ts";
import { ConnectionEvent } from "./event.ts";
import { type Bucket, TimingWheel } from "./timing-wheel.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/**
 * set: its time has not come. asking: its expire event has not committed. unasked: its worker's handler has no onExpire. asked: the event
 * has committed, and no later time was set. grace: the client may still show something new.
 */
type ExpiryPhase = "set" | "asking" | "unasked" | "asked" | "grace";

export class Expiry {
  /** Milliseconds since 1970. */
  readonly at: number;
  phase: ExpiryPhase = "set";
  event: ConnectionEvent | undefined;
  /** Of what had come when the grace was over, the number behind the last: what is among it may still set a later time. */
  lastEvent: number | undefined;
  bucket: Bucket<Connection> | undefined;

  constructor(at: number) {
    this.at = at;
  }
}

export interface ExpiriesOptions extends Slices {
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  /** How long a client may take to show something new. */
  readonly graceMs: () => number;
  /** Puts the event behind all others of the connection. */
  readonly park: (connection: Connection, event: ConnectionEvent) => void;
  readonly close: (connection: Connection, code: ErrorCode) => void;
  readonly onBug: (connection: Connection, error: unknown) => void;
}

export class Expiries {
  private readonly options: ExpiriesOptions;
  private readonly times = new TimingWheel<Connection>();
  /** By `now`: how long a grace period takes is no matter of the wall clock, which may be put forward or back meanwhile. */
  private readonly waits = new TimingWheel<Connection>();
  private readonly due: DueItems<Connection>;

  constructor(options: ExpiriesOptions) {
    this.options = options;
    this.due = new DueItems(options, (connection) => this.look(connection));
  }

  /** Whatever was set before does not count any more. @param at Milliseconds since 1970; 0: it does not expire. */
  set(connection: Connection, at: number): void {
    this.forget(connection);
    connection.expiry = at === 0 ? undefined : new Expiry(at);
    if (connection.expiry !== undefined) connection.expiry.bucket = this.times.add(connection, at);
  }

  /** It has ended. */
  forget(connection: Connection): void {
    const bucket = connection.expiry?.bucket;
    if (bucket !== undefined) for (const wheel of [this.times, this.waits]) wheel.remove(connection, bucket);
  }

  /** To be called several times a second. */
  sweep(): void {
    this.due.add([...this.times.take(this.options.wallClock()), ...this.waits.take(this.options.now())]);
  }

  private look(connection: Connection): void {
    const { expiry } = connection;
    if (expiry === undefined || connection.intake !== "open") return;
    expiry.bucket = undefined;
    try {
      this.step(connection, expiry);
    } catch (error) {
      this.options.onBug(connection, error);
    }
  }

  private step(connection: Connection, expiry: Expiry): void {
    if (expiry.phase === "set") this.ask(connection, expiry);
    if (expiry !== connection.expiry) return;
    if (expiry.phase === "asked") {
      expiry.phase = "grace";
      this.lookIn(this.options.graceMs(), connection, expiry);
    } else if (expiry.phase === "unasked" || (expiry.phase === "grace" && isHeard(connection, expiry))) {
      this.options.close(connection, "auth.expired");
    } else this.lookIn(0, connection, expiry);
  }

  private ask(connection: Connection, expiry: Expiry): void {
    const time = Buffer.allocUnsafe(8);
    time.writeDoubleLE(expiry.at);
    expiry.phase = "asking";
    expiry.event = new ConnectionEvent(toWorker.expire, time);
    this.options.park(connection, expiry.event);
  }

  private lookIn(ms: number, connection: Connection, expiry: Expiry): void {
    expiry.bucket = this.waits.add(connection, this.options.now() + ms);
  }
}

/** The event has committed, or its worker has no turn for it. */
export function endExpire({ expiry }: Connection, event: ConnectionEvent, phase: "asked" | "unasked"): void {
  if (expiry?.event !== event) return;
  expiry.event = undefined;
  expiry.phase = phase;
}

/** Whether this worker wants to hear that the connection expires. */
export function hearsExpire({ path }: Connection, { table }: WorkerPeer): boolean {
  return matchRoute(table, path)?.route.expires === true;
}

/** What a client has sent in time counts, also if workers are replaced at just that moment; what follows it does not. */
function isHeard({ events, firstEvent }: Connection, expiry: Expiry): boolean {
  expiry.lastEvent ??= firstEvent + events.filter(({ type }) => isCounted(type)).length;
  return events.length === 0 || firstEvent >= expiry.lastEvent;
}
