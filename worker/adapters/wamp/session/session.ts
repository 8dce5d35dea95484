// A WAMP session: what its connection's state keeps, and what one turn makes of it.

import type { Connection, DeepReadonly, Sendable, Turn } from "../../../handler.ts";
import { encode } from "../messages/codec.ts";
import { randomId, routerId, type Serializer } from "../messages/identifiers.ts";
import { type Dict, payloadOf, type, type WampMessage } from "../messages/messages.ts";
import type { WampError } from "./errors.ts";
import type { WampHooks } from "./hooks.ts";
import { topics } from "./topics.ts";

/** A procedure that a session registers by a pattern. @param since In milliseconds since 1970, where the order of its callees counts. */
export type RegisteredPattern = readonly [match: string, pattern: string, invoke: string, disclosesCaller: boolean, since?: number];

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
  /** See open-invocations.ts. Missing: it joined before its invocations were numbered. */
  readonly invoked?: Invoked;
  /** How many progressive results of its own procedure have gone out in a turn, which another worker may have to run again. */
  readonly progress?: { readonly turn: string; readonly count: number };
}

export interface Invoked {
  /** INVOCATION.Request of the latest one. */
  readonly last: number;
  /** Pairs: INVOCATION.Request, and the dealer's number, negative where progressive results are wanted. */
  readonly open: readonly number[];
  /** A release that did not keep these has sent it others, with the dealer's numbers. */
  readonly hasOthers: boolean;
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
