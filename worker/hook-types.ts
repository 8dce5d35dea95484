// What hooks are called with, and what they may return. Types only; handler modules import them from handler.ts.

import type { CodedError, ErrorCode } from "../protocol/errors.ts";
import type { PathParams } from "../protocol/route-table.ts";
import type { App, Member, MembersFilter } from "./app-types.ts";
import type { Message, PublishOptions, Sendable, SubscribeOptions } from "./message-types.ts";
import type { SessionAnswer } from "./session.ts";

/** A URL's query, read only. */
export type Query = Omit<URLSearchParams, "append" | "delete" | "set" | "sort">;

/**
 * A connection during one turn. What its methods ask for are effects: they happen together when the turn ends, and not at all
 * when it throws. After the turn every use throws "turn.over".
 */
export interface Connection<Params = PathParams, State = unknown> {
  /** Unique across gateways and restarts. */
  readonly id: string;
  /** The gateway that has its socket, for as long as it is open: see onGatewayLost. */
  readonly gateway: string;
  /** As onUpgrade or `setUser` named it. */
  readonly user: string | undefined;
  /** When onExpire is called; undefined: never. As onUpgrade or `setExpiresAt` said. */
  readonly expiresAt: Date | undefined;
  /** As the client asked for it: not decoded, without the query. */
  readonly path: string;
  readonly params: Params;
  readonly query: Query;
  readonly ip: string;
  /** The one that was agreed on; empty where there was none. */
  readonly subprotocol: string;
  /**
   * Includes this turn's own setState. It cannot be changed in place: objects, arrays, Maps, Sets and Dates throw a TypeError, and
   * bytes are this turn's own copy.
   * @throws {CodedError} "state.incompatible" where the connection was closed since its stored state neither fits this release nor migrates:
   *   in its onClose.
   */
  readonly state: State;
  /** Includes this turn's own subscriptions. */
  readonly topics: ReadonlySet<string>;
  /** To this connection. */
  send(data: Sendable): void;
  /**
   * To every connection that subscribes to the topic, but not to this one unless `self`.
   * @throws {CodedError} "topic.invalid", as `subscribe` and `unsubscribe` do; "send.invalid", as `send` does; "except.invalid".
   */
  publish(topic: string, data: Sendable, options?: PublishOptions): void;
  /** To what is published to the topic. @throws {CodedError} "topics.tooMany" */
  subscribe(topic: string, options?: SubscribeOptions): void;
  /** It is no member any more, either. */
  unsubscribe(topic: string): void;
  /** As app.members, with what this turn has made of this connection. In onClose it is no member any more. */
  members<Info = unknown>(topic: string, filter?: MembersFilter): Promise<Member<Info>[]>;
  /**
   * Replaces the whole state by a copy of `next`; it has to fit the `state` schema when the turn ends. It may be of plain objects,
   * arrays, Maps, Sets, Dates, ArrayBuffers and all views of them, bigints and other primitives, but no symbols.
   * @throws {CodedError} "state.invalid" with the path of anything else in `issues`.
   */
  setState(next: State): void;
  /**
   * Names the client that onUpgrade could not name, for `conn.user` and `app.closeUser`.
   * @param user 1 to 1024 bytes. @throws {CodedError} "identity.invalid"
   */
  setUser(user: string): void;
  /**
   * The client has shown something that is valid for longer: an earlier time does not count any more.
   * @param at undefined: the connection does not expire. @throws {CodedError} "identity.invalid"
   */
  setExpiresAt(at: Date | undefined): void;
  /**
   * onTimer is called so much later, also if workers were replaced or killed meanwhile. A timer of the same name is replaced.
   * @param name 1 to 64 bytes. @param ms 1 to 2^31 - 1. @throws {CodedError} "timer.invalid", "timers.tooMany"
   */
  setTimer(name: string, ms: number): void;
  /** Its onTimer is not called any more, even if its time has come, and its turn has not begun. */
  clearTimer(name: string): void;
  /**
   * Has the gateway send the client something again and again from now on, and close it where it does not answer, also while workers are
   * replaced or missing. It takes the place of one that was set before; undefined ends that.
   * @throws {CodedError} "heartbeat.invalid", "close.invalid"
   */
  setHeartbeat(heartbeat: Heartbeat | undefined): void;
  /**
   * Of all connections that want a lock of this name, one has it: until `unlock`, or until the connection has ended and its onClose has
   * run. Those who wait get it in the order in which they asked. Where the connection has it, it gets the same again. A turn that throws
   * gives back what it has taken.
   * @param name 1 to 128 bytes. @param options.waitMs How long to wait while others have it, less than TURN_TIMEOUT_MS; missing: not at all.
   *   Messages of this connection wait meanwhile.
   * @returns undefined where others have it.
   * @throws {CodedError} "lock.invalid", "lock.tooMany", "lock.total", "lock.crowded", "store.unavailable", "app.noGateway"
   */
  lock(name: string, options?: { readonly waitMs?: number }): Promise<Lock | undefined>;
  /** The lock is the next one's when the turn has committed. */
  unlock(name: string): void;
  /**
   * A deploy leaves the connection with this worker until `stay(0)`, or for so long: the worker has something in memory only that the client's
   * next messages belong to. If the worker dies, it is gone. A deploy waits for 10 s at most, however often a turn asks for it.
   * @param ms 0 to 10,000. @throws {CodedError} "gateway.outdated"
   */
  stay(ms: number): void;
  /**
   * The client's message holds so many more, 1 to 65,535: with the commit, these count for its limits as if each had come by itself, also
   * where the turn is rolled back. Beyond them the connection is closed, with 1008. @throws {CodedError} "gateway.outdated"
   */
  countMessages(more: number): void;
  /** @param code 1000 (the default) or 3000 to 4999. @param reason at most 123 bytes. @throws {CodedError} "close.invalid" */
  close(code?: number, reason?: string): void;
  /**
   * Of a WebSocket that opened beside a session over HTTP (`session` of onUpgrade): requests that receive for the session get this frame alone,
   * and what is sent to it waits, until `moveToSession`, or until this connection closes. @throws {CodedError} "gateway.outdated"
   */
  pauseSession(frame: string): void;
  /**
   * When the turn has committed, the WebSocket is the session's: what waits for it is sent there first, and what the client sends behind the
   * message of this turn is the session's. This connection closes with 1000. Where the session has ended, with 1008 "session.unknown". If the
   * client has closed the WebSocket behind that message, the session closes as it did.
   */
  moveToSession(): void;
  /** Commits what was asked for so far; `turn.flushed` counts it. Resolves when the gateway has it: then go on. */
  flush(): Promise<void>;
}

/** `expect`, `within` and `close` go together: without them it is sent, and nothing is expected. */
export interface Heartbeat {
  /** Milliseconds from the commit to the first one, and from each answer to the next one; without `expect`, from one to the next. From 100 on. */
  readonly every: number;
  /** 1 to 64 bytes: a text frame, or a binary one. */
  readonly send: string | Uint8Array;
  /**
   * A message that begins so is the answer: 1 to 64 bytes, as text or binary. The handler gets it only where it is longer. No other
   * message counts.
   */
  readonly expect?: string | Uint8Array;
  /** How long an answer may take: milliseconds. */
  readonly within?: number;
  /** How a connection is closed whose client has not answered. As of `close`. */
  readonly close?: { readonly code: number; readonly reason: string };
}

/** A lock that the connection has. */
export interface Lock {
  /** Higher than that of each that had it before: who writes elsewhere may refuse what comes with a lower one than it has seen. */
  readonly fence: number;
}

/** One call of a hook. Every hook gets it as its last parameter. */
export interface Turn {
  /** The same when the turn runs a second time: a key for what is done elsewhere. */
  readonly id: string;
  /** Whether a worker died with this turn in hand: what it did elsewhere may have happened. */
  readonly redelivered: boolean;
  /** How often a worker that died had flushed in it. */
  readonly flushed: number;
  readonly release: string;
  /** For what is not this connection's: it happens at once, whether the turn commits or throws. */
  readonly app: App;
  /**
   * Aborts when the turn is cut off, after TURN_TIMEOUT_MS, or its connection is not with this worker any more; of a request, when
   * its client has gone. Not when the worker drains: what has begun may finish.
   */
  readonly signal: AbortSignal;
}

export interface StartContext {
  /** Aborts when the release is active no more, or the worker drains. The next release's onStart begins after that. */
  readonly signal: AbortSignal;
  /** Grows with each activation, of whatever release: a store that refuses lower ones is safe from a worker that has hung. */
  readonly generation: number;
}

/** What runs in one worker of the active release, of all machines. */
export interface Task {
  /**
   * From when this worker has the task until its signal aborts; also after it has returned, for what it has begun: a timer, say. Where it
   * throws, it is logged and run again, later each time. What it returns is waited for after the abort, for 1.5 s.
   */
  run(app: App, context: TaskContext): Settled;
}

export interface TaskContext {
  /** Aborts when the task is to run elsewhere: another release is active, this worker drains, or NATS has not answered for a second. */
  readonly signal: AbortSignal;
  /**
   * Grows each time that a worker gets the task. Gateways refuse what is asked of `app` with a lower one than they know ("task.over"). A
   * store that does so, too, is safe from a worker that has stood still.
   */
  readonly fence: number;
}

export interface GatewayLoss {
  /** As `conn.gateway`. Another process in its place has another id. */
  readonly gateway: string;
  /** Aborts after TURN_TIMEOUT_MS, and when the gateway that asks has ended or waits no longer. */
  readonly signal: AbortSignal;
}

/** What onError is told: one of the errors in docs/errors.md; "handler.thrown", with the `cause`, for whatever else was thrown. */
export type HandlerError = CodedError;
export type { ErrorCode };

/** The client's request to open a WebSocket. */
export interface UpgradeRequest<Params = PathParams> {
  readonly path: string;
  readonly params: Params;
  readonly query: Query;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly cookies: Readonly<Record<string, string | undefined>>;
  /** What the client offers, in its order. */
  readonly subprotocols: readonly string[];
  readonly ip: string;
  readonly origin: string | undefined;
  readonly app: App;
  /** The same when onUpgrade runs a second time for this client, in another worker: the first one died. Unique across gateways and restarts. */
  readonly id: string;
  /** Whether a worker died with it in hand: what it did elsewhere may have happened. */
  readonly redelivered: boolean;
  /** Aborts after TURN_TIMEOUT_MS, when the client is answered with 500, and when the client has given up. */
  readonly signal: AbortSignal;
}

/** Yes to an upgrade. `subprotocol` must be among those offered; without it the first one that both sides know is taken. */
export interface Welcome<State = unknown> {
  readonly user?: string | undefined;
  /** Of what `setState` takes, after the schema. */
  readonly state?: State | undefined;
  readonly subprotocol?: string | undefined;
  /** When onExpire is called, and the connection closed if nothing follows: until when what the client has shown is valid. */
  readonly expiresAt?: Date | undefined;
  /** The key of a session over HTTP beside which it opens, to take its place: see `conn.moveToSession`. Where there is none: 400. */
  readonly session?: string | undefined;
  /** Added to the response, `set-cookie` for one. Not those of the handshake itself: "upgrade.headers". */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface RequestContext<Params = PathParams> {
  readonly params: Params;
  readonly ip: string;
  readonly turn: Turn;
  readonly app: App;
  /** The same request for the second time: it was answered by a session that is not there, and `missing: "again"`. */
  readonly sessionMissing: boolean;
}

export interface Closing {
  /** As in the WebSocket protocol: 1000, 1001, 1006 where the connection broke, the code of our own close. */
  readonly code: number;
  readonly reason: string;
}

/** A hook may wait, and costs no promise where it does not. */
type Settled<Value = void> = Value | Promise<Value>;

/** The functions of a handler, all optional. Return: its effects are committed. Throw: none of them happened. */
export interface Hooks<Params = PathParams, State = unknown, StateInput = unknown, Incoming = unknown> {
  /** A stored state that does not fit the schema (any more) → one that does. `undefined`: a new connection has none. */
  migrate?(stored: unknown): StateInput;
  /** Decides about a connection before it opens. A Response refuses it; nothing, and it opens. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing will do.
  onUpgrade?(request: UpgradeRequest<Params>): Settled<Welcome<StateInput> | Response | undefined | void>;
  /**
   * Answers plain HTTP on this path. Where the Response's body is a stream, it is passed on as it comes, as fast as the client takes it;
   * `request.signal` aborts when the client has gone or nobody can go on, and the stream is cancelled then.
   */
  onRequest?(request: Request, context: RequestContext<Params>): Settled<Response | SessionAnswer>;
  onOpen?(conn: Connection<Params, State>, turn: Turn): Settled;
  onMessage?(conn: Connection<Params, State>, message: Incoming, turn: Turn): Settled;
  /** Exactly once for each connection that opened, after everything else of it. It can publish; nobody hears a send. */
  onClose?(conn: Connection<Params, State>, closing: Closing, turn: Turn): Settled;
  /** A turn of its own, after one that threw was rolled back. Where it is missing, the connection closes with the error's close code; where it throws too, with 1011. */
  onError?(conn: Connection<Params, State>, error: HandlerError, turn: Turn): Settled;
  /**
   * The connection's `expiresAt` has come: ask the client for a new token. If neither this turn nor a later one calls `setExpiresAt` within
   * EXPIRE_GRACE_MS, the connection is closed with 4401; without this hook at once. Exactly once for each time that was set and has come.
   */
  onExpire?(conn: Connection<Params, State>, turn: Turn): Settled;
  /** A timer of the connection has come due: exactly once for each, and before onClose. It is done with, also where this throws. */
  onTimer?(conn: Connection<Params, State>, name: string, turn: Turn): Settled;
  /**
   * Something was published to a topic that the connection subscribes to with `hook`: exactly once, in order with its other messages, until it
   * unsubscribes. Not what it has published itself, unless with `self`. It is done with, also where this throws.
   */
  onPublish?(conn: Connection<Params, State>, topic: string, message: Message, turn: Turn): Settled;
  /** A worker of this release has received a connection that opened under another worker. */
  onAdopt?(conn: Connection<Params, State>, turn: Turn): Settled;
  /**
   * In every worker when its release becomes active, and again when a rollback has made it so again; not in a connection's turn. The worker
   * takes work once this has returned, and what it returned has settled.
   */
  onStart?(app: App, context: StartContext): Settled;
  /**
   * A gateway has crashed: it was killed, or the machine lost power. Workers that lived on run onClose for its connections; for those of
   * workers that crashed with it nobody does. Whatever is kept of connections of this gateway can go. In one worker of the active
   * release, at least once, and again where it throws.
   */
  onGatewayLost?(app: App, loss: GatewayLoss): Settled;
}
