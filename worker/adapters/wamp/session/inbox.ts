// How sessions reach each other: each has an inbox, a topic whose messages are turns of its connection. A few may share one.

import type { Member } from "../../../handler.ts";
import { pack } from "../messages/codec.ts";
import type { Match } from "../messages/identifiers.ts";
import type { Dict, Payload } from "../messages/messages.ts";
import { routerError } from "./errors.ts";
import type { WampSession } from "./session.ts";
import { topics } from "./topics.ts";

/** So many entries may a list of sessions, authids or authroles have. */
export const listLimit = 100;
export const tooMany = routerError("thinstate.error.too_many_sessions");

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
  | { kind: "interrupt"; invocation: number; mode: "skip" | "kill" | "killnowait"; reason: string }
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

/** @returns those of the realm that have these ids. It costs a question for each of them, however many others there are. */
export async function sessionsOf({ conn, realm, scope }: WampSession, ids: readonly number[]): Promise<Member<Dict>[]> {
  const wanted = new Set<unknown>(ids);
  const inboxes = new Set(ids.map((id) => topics.inbox(scope, id)));
  const found = await Promise.all([...inboxes].map((inbox) => conn.members<Dict>(inbox)));
  return found.flat().filter(({ info }) => wanted.has(info.session) && info.realm === realm);
}
