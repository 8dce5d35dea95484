// A WAMP session: what its connection's state keeps, and what hooks are given of it for one turn.

import type { Connection, DeepReadonly, Sendable, Turn } from "../../handler.ts";
import { encode } from "./codec.ts";
import { eventTopic, randomId, type Serializer, subscriptionId } from "./identifiers.ts";
import { type Dict, type Payload, type, type WampMessage } from "./messages.ts";

/** A procedure that a session registers by a pattern. */
export type RegisteredPattern = readonly [match: string, pattern: string, invoke: string, disclosesCaller: boolean];

/** A call of this session that has not come to its end. */
export interface OpenCall {
  /** Of INVOCATION.Request: see invocationId. */
  readonly number: number;
  readonly request: number;
  readonly callee: number;
  readonly canCancel: boolean;
  readonly progress: boolean;
  /** CANCEL has asked for the callee's answer. */
  readonly isKilled: boolean;
  /** Milliseconds since 1970: when to see whether the callee is still there. */
  readonly checkAt: number;
  /** 0: never. */
  readonly timeoutAt: number;
  readonly timeout: number;
}

export interface Identity {
  readonly authid: string;
  readonly authrole: string;
  readonly authmethod: string;
  readonly authprovider: string;
}

export interface Joined extends Identity {
  readonly phase: "joined";
  readonly session: number;
  readonly realm: string;
  /** Of the callee's features. */
  readonly canCancel: boolean;
  readonly patterns: readonly RegisteredPattern[];
  readonly calls: readonly OpenCall[];
  readonly lastCall: number;
  /** When the timer of `calls` comes; 0: it does not. */
  readonly timerAt: number;
  /** Invocations of the latest of those who have called it, one of each: where to say that it leaves. */
  readonly callers: readonly number[];
}

/** "Session Establishment": what is kept until AUTHENTICATE. */
export interface Authenticating {
  readonly phase: "authenticating";
  readonly session: number;
  readonly realm: string;
  readonly details: Dict;
  readonly authmethod: string;
  readonly challenge: string;
}

export type State = { readonly phase: "opening" } | Authenticating | Joined;
export type Conn = Connection<unknown, DeepReadonly<State>>;

export interface Invocable {
  readonly procedure: string;
  readonly args: readonly unknown[];
  readonly kwargs: Dict;
  readonly options: Dict;
  /** Sends a progressive result at once, where the caller wants it: what the turn has asked for so far is committed. */
  progress(...args: unknown[]): Promise<void>;
}

/** Returns what RESULT has; undefined: nothing. A WampResult or a WampError is what it says. */
export type Procedure = (session: WampSession, call: Invocable) => unknown;

/** Thrown in a hook: the turn is rolled back and the client gets ERROR. Returned: it gets ERROR, and the turn's effects happen. */
export class WampError extends Error {
  readonly uri: string;
  readonly payload: Payload;

  /** @param uri "com.example.error.sold_out" */
  constructor(uri: string, args: readonly unknown[] = [], kwargs: Dict = {}) {
    super(uri);
    this.uri = uri;
    this.payload = payloadOf(args, kwargs);
  }
}

/** What a procedure returns that has several results, or named ones. */
export class WampResult {
  readonly payload: Payload;

  constructor(args: readonly unknown[] = [], kwargs: Dict = {}) {
    this.payload = payloadOf(args, kwargs);
  }
}

/** "Empty Arguments and Keyword Arguments" */
export function payloadOf(args: readonly unknown[] = [], kwargs: Dict = {}): Payload {
  if (Object.keys(kwargs).length > 0) return [args, kwargs];
  return args.length > 0 ? [args] : [];
}

/** A session during one turn. */
export class WampSession {
  /** thinstate's own: for `conn.app`, timers, locks. Its state is the adapter's. */
  readonly conn: Conn;
  readonly turn: Turn;
  #state: Joined;

  constructor(conn: Conn, turn: Turn, state: Joined) {
    this.conn = conn;
    this.turn = turn;
    this.#state = state;
  }

  get state(): Joined {
    return this.#state;
  }

  get id(): number {
    return this.#state.session;
  }

  get realm(): string {
    return this.#state.realm;
  }

  get authid(): string {
    return this.#state.authid;
  }

  get authrole(): string {
    return this.#state.authrole;
  }

  update(change: Partial<Joined>): void {
    this.#state = { ...this.#state, ...change };
    this.conn.setState(this.#state);
  }

  send(message: WampMessage): void {
    this.conn.send(encode(message, serializerOf(this.conn)) as Sendable);
  }

  sendError(of: number, request: number, uri: string, payload: Payload = [], details: Dict = {}): void {
    this.send([type.ERROR, of, request, details, uri, ...payload]);
  }

  /** An EVENT for this session alone, if it subscribes to the topic. @returns whether it does. */
  event(topic: string, args?: readonly unknown[], kwargs?: Dict): boolean {
    if (!this.conn.topics.has(eventTopic(serializerOf(this.conn), this.realm, topic))) return false;
    this.send([type.EVENT, subscriptionId(this.realm, "exact", topic), randomId(), {}, ...payloadOf(args, kwargs)]);
    return true;
  }
}

export function serializerOf({ subprotocol }: Pick<Conn, "subprotocol">): Serializer {
  return subprotocol === "wamp.2.msgpack" ? "msgpack" : "json";
}

/** Nothing follows an ABORT. @param code 3002: it has broken the protocol; its client has no reason to come again as it is. */
export function abort(conn: Conn, uri: string, message: string, code = 3002): void {
  conn.send(encode([type.ABORT, { message }, uri], serializerOf(conn)) as Sendable);
  conn.close(code, uri);
}

export function violate(conn: Conn, message: string): void {
  abort(conn, "wamp.error.protocol_violation", message);
}

/** Costs no promise where there is none. */
export function after<Value, Next>(value: Value | Promise<Value>, next: (value: Value) => Next | Promise<Next>): Next | Promise<Next> {
  return value instanceof Promise ? value.then(next) : next(value);
}
