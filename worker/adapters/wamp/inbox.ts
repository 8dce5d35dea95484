// What sessions tell each other: each has an inbox, a topic whose messages are turns of its connection. A few may share one.

import { pack } from "./codec.ts";
import { type Match, topics } from "./identifiers.ts";
import type { Dict, Payload } from "./messages.ts";
import type { WampSession } from "./session.ts";

/** What a call is passed on with. */
export interface Call {
  readonly options: Dict;
  readonly procedure: string;
  readonly payload: Payload;
}

/** A publication that is not on its way to subscribers of its topic: it goes to those that subscribe by patterns, or to chosen ones. */
export interface Publication {
  readonly topic: string;
  readonly publication: number;
  readonly details: Dict;
  readonly payload: Payload;
}

/** To one session, by its id. */
export type ToSession = { readonly to: number } & (
  | ({ kind: "event" } & Publication)
  | { kind: "kill"; reason: string; details: Dict }
  | ({ kind: "invocation"; invocation: number; match: Match; registered: string; caller: Dict } & Call)
  | { kind: "interrupt"; invocation: number; mode: string; reason: string }
);

/** From a callee to the session that has called it. */
export type ToCaller = { readonly from: number; readonly invocation: number } & (
  | ({ kind: "not registered" } & Call)
  | { kind: "yield"; options: Dict; payload: Payload }
  | { kind: "error"; details: Dict; uri: string; payload: Payload }
  | { kind: "left" }
);

export function tell({ conn, scope }: WampSession, message: ToSession): void {
  conn.publish(topics.inbox(scope, message.to), pack(message), { self: true });
}

export function tellCaller({ conn, scope }: WampSession, message: ToCaller): void {
  conn.publish(topics.inboxOfInvocation(scope, message.invocation), pack(message), { self: true });
}
