// Procedures of the router itself: who is in a realm. Source: the WAMP protocol, "Session Meta API".

import { listLimit, sessionsOf, tooMany } from "./broker.ts";
import { pack } from "./codec.ts";
import { isId, isUri, topics } from "./identifiers.ts";
import type { Dict } from "./messages.ts";
import { type Invocable, WampError, type WampSession } from "./session.ts";

/** To a session's inbox: it gets GOODBYE. */
export interface Killed {
  readonly kind: "kill";
  readonly to: number;
  readonly reason: string;
  readonly details: Dict;
}

export async function callMeta(session: WampSession, { procedure, args, kwargs }: Invocable): Promise<unknown> {
  const { conn, scope } = session;
  const [first] = args;
  if (procedure === "wamp.session.count" || procedure === "wamp.session.list") {
    const authroles = Array.isArray(first) ? new Set(first) : undefined;
    if (authroles !== undefined && authroles.size > listLimit) return tooMany;
    const members = await conn.members<Dict>(topics.sessions(scope));
    const ids = members.filter(({ info }) => authroles?.has(info.authrole) ?? true).map(({ info }) => info.session);
    return procedure === "wamp.session.list" ? ids : ids.length;
  }
  if (procedure !== "wamp.session.get" && procedure !== "wamp.session.kill") return new WampError("wamp.error.no_such_procedure");
  if (!isId(first)) return new WampError("wamp.error.invalid_argument");
  const [found] = (await sessionsOf(session, [first as number])).map(({ info }) => info);
  const isGet = procedure === "wamp.session.get";
  if (found === undefined || (!isGet && first === session.id)) return new WampError("wamp.error.no_such_session");
  if (isGet) return found;
  const { reason = "wamp.close.killed", message } = kwargs;
  if (typeof reason !== "string" || !isUri(reason)) return new WampError("wamp.error.invalid_uri");
  const details = typeof message === "string" ? { message } : {};
  conn.publish(topics.inbox(scope, first as number), pack({ kind: "kill", to: first, reason, details } as Killed));
  return undefined;
}
