// The thin state: all that the gateway keeps of a connection on the workers' behalf, and its events that no turn has
// committed yet.

import { KeptState } from "../protocol/kept-state.ts";
import { gatewayLevel } from "../protocol/level.ts";
import type { PinBody } from "../protocol/records.ts";
import type { ConnectionList } from "./connection-list.ts";
import type { ConnectionMeter } from "./connection-meter.ts";
import type { CrashRecord } from "./crash-attribution.ts";
import type { ConnectionEvent } from "./event.ts";
import { Expiry } from "./expiry.ts";
import type { ConnectionHeartbeat } from "./heartbeats.ts";
import type { Party } from "./parties.ts";
import type { Phase } from "./phase.ts";
import { type ConnectionTimers, pinnedTimers } from "./timers.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** What is needed of a WebSocket. It is taken away from its connection at the moment it closes: using it later throws. */
export interface Socket {
  send(data: Uint8Array, isBinary: boolean): void;
  /**
   * Sends a close frame after everything before it. The close is reported before this returns. Not to be called under a cork of
   * this socket: then TCP stays open, and a client that waits for its end hears of the close seconds later.
   */
  end(code: number, reason: string): void;
  /** As `end`, where the client has not answered and fetches what waits by itself: nobody will. */
  abandon?(code: number, reason: string): void;
  /** When the oldest request arrived that no worker has answered, and that may be its client's. Where messages come by requests. */
  unansweredSince?(): number;
  /** Closes it at once, without a close frame: what waits for it is dropped. The close is reported before this returns. */
  cut(): void;
  /** Bytes that it was sent and has not been able to write. */
  readonly waitingBytes: number;
  /** Its client fetches what waits, and is away: it does not read slowly. */
  readonly isAway?: boolean;
  /** Writes everything that is sent meanwhile in one system call. */
  cork(write: () => void): void;
  subscribe(topic: string): void;
  /** What was published to the topic in this turn of the event loop is dropped: anything sent first makes it leave. */
  unsubscribe(topic: string): void;
  ping(): void;
  isSubscribed(topic: string): boolean;
  /** To every subscriber but this one. */
  publish(topic: string, data: Uint8Array, isBinary: boolean): void;
  /** Its client is another connection's from now on. Of WebSockets. */
  handTo?(connection: Connection): void;
}

/** What a gateway knows of any client that has a WebSocket here: of a connection, or of one whose session another gateway has. */
export type Guest = Pick<Connection, "id" | "route" | "ip" | "worker" | "meter" | "socket" | "user">;

/** What a connection subscribes to. */
export class ConnectionTopics extends Set<string> {
  /** Those of them whose messages go to its handler: see HookSubscribers. Made at the first one. */
  hooked: Set<string> | undefined;
}

/** open: messages are taken. closing: none is any more, its close is decided. closed: its socket has closed, too. */
export type Intake = "open" | "closing" | "closed";

export class Connection {
  /** Its place in the gateway's table: reused after it has gone, with a higher epoch. */
  readonly slot: number;
  readonly id: string;
  readonly path: string;
  /** The raw query string. */
  readonly query: string;
  readonly ip: string;
  user: string | undefined;
  readonly subprotocol: string;
  /** The path pattern of the release that it was last given to. */
  route = "";
  /** Never looked into here. */
  readonly state: KeptState;
  /** Made at the first subscription: most connections of many uses have none. */
  topics: ConnectionTopics | undefined;
  /** Undefined from the moment it closes. */
  socket: Socket | undefined;

  /** What its client sends, also when that has gone: events of it may wait still. Undefined where nobody measures. */
  meter: ConnectionMeter | undefined;
  /** When it last sent something whole, in sweeps of UnfinishedMessages. */
  lastSeenSweep = 0;

  intake: Intake = "open";
  phase: Phase = "parked";
  /** Where it is pinned, leaving or quarantined. One that was lost keeps its idle connections until their slice comes: see Placement. */
  worker: WorkerPeer | undefined;
  /** The one that it is in: of its worker, or of those that have none; and its place there. */
  list: ConnectionList | undefined;
  before: Connection | undefined;
  after: Connection | undefined;
  /** Grows with each pin, and across the connections that had this slot before. */
  epoch: number;
  /** Uncommitted, in order; the first `delivered` of them are with the worker, `deliveredBytes` in all. */
  readonly events: ConnectionEvent[] = [];
  delivered = 0;
  deliveredBytes = 0;
  parkedBytes = 0;
  /** The number of the first of `events`: events are counted from 0, the open. */
  firstEvent = 0;
  /** It was asked back with nothing under way: its worker counts it as returning. */
  isReturning = false;
  /** Until then it stays with its worker, whatever moves; 0: it does not; hasStayed: nor will it. See Stays. */
  staysUntil = 0;
  /** When it was asked back from its worker; where it stays there all the same, when that ends. */
  leavingSince = 0;
  /** `firstEvent` at the last sweep: where it has not moved since, payloads are copied out of their batches. */
  sweptEvent = -1;
  /** Since when sweeps have found the same event uncommitted; 0: it is another one each time. */
  stalledSince = 0;
  /** Sweeps look at it: it has uncommitted events, or had some at the last sweep. */
  isActive = false;
  /** Workers that were lost with events of it in hand, until these have committed. */
  crashes: CrashRecord | undefined;
  /** It was closed because NATS was away for so long that workers may soon take this gateway for dead: see Dispatcher.sweep. */
  isFenced = false;
  /** See Dispatcher.broken. */
  hasMetBug = false;
  /** When it expires, and what has been done about it; undefined: it does not. */
  expiry: Expiry | undefined;
  /** Made at the first setTimer: most connections have none. */
  timers: ConnectionTimers | undefined;
  /** Undefined: no turn has set one, or the last that did has ended it. */
  heartbeat: ConnectionHeartbeat | undefined;
  /** Commits that wait until NATS has confirmed a subscription, and what must wait for them. Each returns whether it has to wait again. */
  held: Array<() => boolean> | undefined;

  constructor(options: {
    slot: number;
    epoch: number;
    id: string;
    path: string;
    query: string;
    ip: string;
    user: string | undefined;
    subprotocol: string;
    state: Uint8Array | undefined;
    /** Milliseconds since 1970; 0, or missing: never. */
    expiresAt?: number;
  }) {
    this.slot = options.slot;
    this.epoch = options.epoch;
    this.id = options.id;
    this.path = options.path;
    this.query = options.query;
    this.ip = options.ip;
    this.user = options.user;
    this.subprotocol = options.subprotocol;
    this.state = new KeptState(options.state);
    this.expiry = options.expiresAt ? new Expiry(options.expiresAt) : undefined;
  }

  get parked(): number {
    return this.events.length - this.delivered;
  }
}

/** Who may have a share of what all connections may have together; undefined: there is no limit for it. */
export function ownerOf({ meter }: Connection): Party | undefined {
  return meter?.address.isExempt === false ? meter.address : undefined;
}

/** What a worker is told of a connection that it gets. */
export function pinBodyOf(connection: Connection): PinBody {
  const { id, path, query, ip, user, subprotocol, state, topics, firstEvent, expiry } = connection;
  return {
    id,
    path,
    query,
    ip,
    user,
    subprotocol,
    state: state.current,
    topics: topics === undefined ? [] : [...topics],
    ...(topics?.hooked && { hooked: [...topics.hooked] }),
    next: firstEvent,
    adopted: firstEvent > 0,
    expiresAt: expiry?.at ?? 0,
    level: gatewayLevel,
    ...pinnedTimers(connection),
  };
}

/** For the log. */
export function about({ id, route, worker }: Guest): { connection: string; route: string; worker?: string; release?: string } {
  return { connection: id, route, ...(worker && { worker: worker.id, release: worker.release }) };
}
