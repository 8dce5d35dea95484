// Heartbeats that handlers have set for connections: sent, and their answers waited for, here, so that they go on while workers are
// replaced or missing. An answer is nobody's turn. Connections without one cost nothing. Pure.

import type { Slices } from "../process/time-slice.ts";
import { answers, type BeatFrame, beatFrame, type Heartbeat, parseHeartbeat } from "../protocol/heartbeat.ts";
import type { Connection } from "./connection.ts";
import { DueItems } from "./due-items.ts";
import { type Bucket, TimingWheel } from "./timing-wheel.ts";

/** As of timers: a heartbeat is sent up to twice so much after its time. */
const heartbeatTickMs = 10;
/** While an answer may wait for a worker: how often it is looked whether one has come. Sooner than idleMs is looked at: see Absence. */
const excusedLookMs = 200;
/** Settings that are remembered by what their record says: connections of a route have the same, and share it. */
const rememberedSettings = 100;

export interface HeartbeatsOptions extends Slices {
  readonly after: (ms: number, run: () => void) => void;
  readonly onBug: (connection: Connection, error: unknown) => void;
}

/** Of all connections that were given the same. */
interface Settings {
  readonly everyMs: number;
  readonly frame: BeatFrame;
  readonly answer: { readonly frame: BeatFrame; readonly withinMs: number; readonly close: { code: number; reason: string } } | undefined;
}

/**
 * resting: the next one is sent when its time has come. asked: one was sent, and the answer is not here. overdue: nor was it in time; what
 * has arrived and has not been read yet, since the gateway stood still, is read first, and what waits for a worker is waited for.
 */
type Phase = "resting" | "asked" | "overdue";

/** Of a connection that has one. */
export class ConnectionHeartbeat {
  readonly settings: Settings;
  phase: Phase = "resting";
  /** When its answer was found to be late, after all that had arrived by then was read; undefined: it is not. */
  overdueAt: number | undefined;
  /** What its client has lost of its time, since a request waited for a worker; undefined: it was given as much more already. */
  owedMs: number | undefined;
  bucket: Bucket<Connection> | undefined;

  constructor(settings: Settings) {
    this.settings = settings;
  }
}

export class Heartbeats {
  /** Connections that have one. */
  size = 0;
  /** unanswered: connections that were closed for it. */
  readonly counters = { sent: 0, unanswered: 0 };
  private readonly options: HeartbeatsOptions;
  private readonly wheel = new TimingWheel<Connection>(heartbeatTickMs);
  private readonly due: DueItems<Connection>;
  private readonly remembered = new Map<string, Settings>();
  private isTicking = false;

  constructor(options: HeartbeatsOptions) {
    this.options = options;
    this.due = new DueItems(options, (connection) => this.look(connection));
  }

  /**
   * Another one that it had before is over, and so is what that expected.
   * @param payload A `heartbeat` record's: empty where it has none from now on. @throws {CodedError} "envelope.malformed"
   */
  set(connection: Connection, payload: Buffer): void {
    const settings = payload.length === 0 ? undefined : this.settingsOf(payload);
    this.forget(connection);
    if (settings === undefined || connection.socket === undefined) return;
    this.size++;
    connection.heartbeat = new ConnectionHeartbeat(settings);
    this.lookIn(settings.everyMs, connection, connection.heartbeat);
  }

  /**
   * Its client has sent a message.
   * @returns whether that was the answer and nothing else: it is not for the handler.
   */
  heard(connection: Connection, message: Uint8Array, isBinary: boolean): boolean {
    const { heartbeat } = connection;
    const expected = heartbeat?.settings.answer?.frame;
    if (heartbeat === undefined || expected === undefined) return false;
    const answer = answers(expected, message, isBinary);
    if (answer !== "no" && heartbeat.phase !== "resting") this.rest(connection, heartbeat);
    return answer === "exactly";
  }

  /** Its socket has closed, or it has none any more. */
  forget(connection: Connection): void {
    const { heartbeat } = connection;
    if (heartbeat === undefined) return;
    this.stop(connection, heartbeat);
    connection.heartbeat = undefined;
    this.size--;
  }

  private settingsOf(payload: Buffer): Settings {
    const key = payload.toString("latin1");
    const known = this.remembered.get(key);
    if (known !== undefined) return known;
    if (this.remembered.size >= rememberedSettings) this.remembered.clear();
    const settings = settingsOf(parseHeartbeat(payload));
    this.remembered.set(key, settings);
    return settings;
  }

  private rest(connection: Connection, heartbeat: ConnectionHeartbeat): void {
    this.stop(connection, heartbeat);
    heartbeat.phase = "resting";
    this.lookIn(heartbeat.settings.everyMs, connection, heartbeat);
  }

  private stop(connection: Connection, heartbeat: ConnectionHeartbeat): void {
    if (heartbeat.bucket !== undefined) this.wheel.remove(connection, heartbeat.bucket);
    heartbeat.bucket = undefined;
  }

  private lookIn(ms: number, connection: Connection, heartbeat: ConnectionHeartbeat): void {
    heartbeat.bucket = this.wheel.add(connection, this.options.now() + ms);
    this.tickSoon();
  }

  private tickSoon(): void {
    if (this.isTicking) return;
    this.isTicking = true;
    this.options.after(heartbeatTickMs, () => {
      this.isTicking = false;
      this.due.add(this.wheel.take(this.options.now()));
      if (this.size > 0) this.tickSoon();
    });
  }

  private look(connection: Connection): void {
    const { heartbeat } = connection;
    if (heartbeat === undefined) return;
    heartbeat.bucket = undefined;
    try {
      this.step(connection, heartbeat);
    } catch (error) {
      this.options.onBug(connection, error);
    }
  }

  private step(connection: Connection, heartbeat: ConnectionHeartbeat): void {
    const { phase, settings } = heartbeat;
    const { everyMs, frame, answer } = settings;
    const { socket } = connection;
    if (socket === undefined) return;
    if (phase === "resting") {
      // Before it is sent: that may close it.
      if (answer !== undefined) {
        heartbeat.phase = "asked";
        heartbeat.owedMs = 0;
      }
      this.lookIn(answer?.withinMs ?? everyMs, connection, heartbeat);
      this.counters.sent++;
      socket.send(frame.bytes, frame.isBinary);
    } else if (phase === "asked") {
      heartbeat.phase = "overdue";
      heartbeat.overdueAt = undefined;
      this.lookIn(0, connection, heartbeat);
    } else if (answer !== undefined && !this.isExcused(connection, heartbeat, answer.withinMs)) {
      this.counters.unanswered++;
      const { code, reason } = answer.close;
      if (socket.abandon === undefined) socket.end(code, reason);
      else socket.abandon(code, reason);
    }
  }

  // A client that speaks HTTP gets it, and answers it, by requests, which wait where workers are away or slow. As long as one waits that
  // came before it was late, it is not closed; and once, it gets the time back that this has cost.
  private isExcused(connection: Connection, heartbeat: ConnectionHeartbeat, withinMs: number): boolean {
    const { owedMs } = heartbeat;
    const unansweredSince = connection.socket?.unansweredSince?.() ?? Number.POSITIVE_INFINITY;
    heartbeat.overdueAt ??= this.options.now();
    if (unansweredSince <= heartbeat.overdueAt) {
      if (owedMs !== undefined) heartbeat.owedMs = Math.max(owedMs, Math.min(withinMs, heartbeat.overdueAt - unansweredSince));
      this.lookIn(excusedLookMs, connection, heartbeat);
      return true;
    }
    // Whoever has not even fetched it, and has no request that would, loses nothing.
    const isUnfetched = connection.socket?.isAway === true && connection.socket.waitingBytes > 0;
    if (owedMs === undefined || owedMs === 0 || isUnfetched) return false;
    heartbeat.phase = "asked";
    heartbeat.owedMs = undefined;
    this.lookIn(owedMs, connection, heartbeat);
    return true;
  }
}

function settingsOf({ every, send, expect, within, close }: Heartbeat): Settings {
  const hasAnswer = expect !== undefined && within !== undefined && close !== undefined;
  return {
    everyMs: every,
    frame: beatFrame(send),
    answer: hasAnswer ? { frame: beatFrame(expect), withinMs: within, close } : undefined,
  };
}
