// A WAMP session: what its connection's state keeps, and what one turn makes of it.

import type { Closing, Connection, DeepReadonly, Sendable, Turn } from "../../../handler.ts";
import { after } from "../../../thenable.ts";
import { encode } from "../messages/codec.ts";
import { type Match, randomId, routerId, type Serializer } from "../messages/identifiers.ts";
import { type Dict, type Payload, payloadOf, type, type WampMessage } from "../messages/messages.ts";
import { routerError, WampError } from "./errors.ts";
import { topics } from "./topics.ts";

/** A procedure that a session registers by a pattern. */
export type RegisteredPattern = readonly [match: string, pattern: string, invoke: string, disclosesCaller: boolean];

export type Identity = Readonly<Record<"authid" | "authrole" | "authmethod" | "authprovider", string>>;

export interface Joined extends Identity {
  readonly phase: "joined";
  readonly session: number;
  readonly realm: string;
  /** See scopeOf. Missing: the realm. */
  readonly scope?: string;
  /** It takes INTERRUPT. */
  readonly canCancel: boolean;
  /** It takes payloads that are passed through. Missing: it joined before that was asked. */
  readonly takesPassthru?: boolean;
  readonly patterns: readonly RegisteredPattern[];
  /** See open-calls.ts. */
  readonly calls: readonly number[];
  readonly lastCall: number;
  /** When the timer of its calls comes; 0: it does not. */
  readonly timerAt: number;
  /** See open-invocations.ts: INVOCATION.Request, negative where progressive results are wanted. Missing: it joined before they were kept. */
  readonly invocations?: readonly number[];
  /** How many progressive results of its own procedure have gone out in a turn, which another worker may have to run again. */
  readonly progress?: { readonly turn: string; readonly count: number };
}

/** What is kept from CHALLENGE to AUTHENTICATE. */
export interface Authenticating extends Pick<Joined, "session" | "realm" | "authmethod" | "canCancel" | "takesPassthru"> {
  readonly phase: "authenticating";
  /** As HELLO said it; empty: not at all. */
  readonly authid: string;
  /** MessagePack. */
  readonly authextra: Uint8Array;
  readonly challenge: string;
}

export type State = { readonly phase: "opening" } | Authenticating | Joined;
export type Conn = Connection<unknown, DeepReadonly<State>>;

export interface Invocable {
  readonly procedure: string;
  readonly args: readonly unknown[];
  readonly kwargs: Dict;
  readonly options: Dict;
  /** A progressive result, at once, where the caller wants it: what the turn has asked for so far is committed. */
  progress(...args: unknown[]): Promise<void>;
}

/** Returns what RESULT has; undefined: nothing. A WampResult or a WampError is what it says. */
export type Procedure = (session: WampSession, call: Invocable) => unknown;

/** What a procedure returns that has several results, or named ones. */
export class WampResult {
  readonly payload: Payload;

  constructor(args?: readonly unknown[], kwargs?: Dict) {
    this.payload = payloadOf(args, kwargs);
  }
}

export type Settled<Value> = Value | Promise<Value>;

/**
 * The answer of a hook that is asked whether something may happen. `true` allows it, and so does returning nothing; a WampError refuses with
 * what it says, and whatever else with wamp.error.not_authorized.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing will do.
type Verdict = Settled<boolean | WampError | undefined | void>;

export interface WampHooks {
  /** Served by the handler, in the caller's turn. */
  readonly procedures?: Readonly<Record<string, Procedure>>;
  /** For every other CALL. Where it returns undefined, the dealer looks for a callee among the clients. */
  readonly onCall?: Procedure;
  onSubscribe?(session: WampSession, topic: string, match: Match): Verdict;
  onPublish?(session: WampSession, event: Omit<Invocable, "procedure" | "progress"> & { readonly topic: string }): Verdict;
  onRegister?(session: WampSession, procedure: string, match: Match): Verdict;
  /** For `wamp.session.count` and so on: `true` alone allows it. Without it, all but `wamp.session.kill` are for everybody. */
  onMeta?(session: WampSession, procedure: string): Settled<boolean | WampError>;
  onUnsubscribe?(session: WampSession, topic: string): Settled<unknown>;
  onJoin?(session: WampSession): Settled<unknown>;
  onLeave?(session: WampSession, closing: Closing): Settled<unknown>;
}

/** Also of what is not looked into. */
export function namedPayload([args = [], kwargs = {}]: Payload): { args: readonly unknown[]; kwargs: Dict } {
  return { args: Array.isArray(args) ? args : [args], kwargs: kwargs as Dict };
}

/** A session during one turn. */
export class WampSession {
  /** thinstate's own; its state, timers and what is published to it are the adapter's. */
  readonly conn: Conn;
  readonly turn: Turn;
  readonly id: number;
  readonly realm: string;
  /** The adapter's, as `state`. */
  readonly scope: string;
  readonly authid: string;
  readonly authrole: string;
  /** The adapter's. */
  state: Joined;
  readonly hooks: WampHooks;

  constructor(conn: Conn, turn: Turn, state: Joined, hooks: WampHooks) {
    this.conn = conn;
    this.turn = turn;
    ({ session: this.id, realm: this.realm, authid: this.authid, authrole: this.authrole } = state);
    this.scope = state.scope ?? state.realm;
    this.state = state;
    this.hooks = hooks;
  }

  /** An EVENT for this session alone. @returns whether it subscribes to the topic. */
  event(topic: string, args?: readonly unknown[], kwargs?: Dict): boolean {
    if (!this.conn.topics.has(topics.event(serializerOf(this.conn), this.scope, topic))) return false;
    this.send([type.EVENT, routerId(this.scope, "exact", topic), randomId(), {}, ...payloadOf(args, kwargs)]);
    return true;
  }

  update(change: Partial<Joined>): void {
    this.state = { ...this.state, ...change };
    this.conn.setState(this.state);
  }

  send(message: WampMessage): void {
    send(this.conn, message);
  }

  sendError(of: number, request: number, { uri, payload }: Pick<WampError, "uri" | "payload">, details: Dict = {}): void {
    this.send([type.ERROR, of, request, details, uri, ...payload]);
  }
}

/** Who has published, where that is to be told. "Publisher Identification", "Caller Identification" */
export function disclosed({ id, authid, authrole }: WampSession, role: "publisher" | "caller"): Dict {
  return { [role]: id, [`${role}_authid`]: authid, [`${role}_authrole`]: authrole };
}

/** What a request is answered with; undefined: with nothing, or not yet. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that has answered returns nothing.
export type Answer = Settled<WampMessage | WampError | undefined | void>;

/** @param verdict of a hook. */
export function allowed(verdict: unknown, then: () => unknown): Answer {
  return after(verdict, (said) => {
    if (said === true || said === undefined) return then() as Answer;
    return said instanceof WampError ? said : routerError("wamp.error.not_authorized");
  });
}

export function serializerOf({ subprotocol }: Conn): Serializer {
  return subprotocol === "wamp.2.msgpack" ? "msgpack" : "json";
}

export function send(conn: Conn, message: WampMessage): void {
  conn.send(encode(message, serializerOf(conn)) as Sendable);
}

/** @param code 3002: it has broken the protocol, and has no reason to come again as it is. */
export function abort(conn: Conn, uri: string, message: string, code = 3002): undefined {
  send(conn, [type.ABORT, { message }, uri]);
  conn.close(code, uri);
}

export function violate(conn: Conn, message: string): undefined {
  abort(conn, "wamp.error.protocol_violation", message);
}
