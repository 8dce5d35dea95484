// Procedures that no client has registered: the handler's, and the router's, which tell who is in a realm.
// Source: the WAMP protocol, "Calling and Invocations", "Progressive Call Results" and "Session Meta API".

import { after } from "../../../adapter.ts";
import { isId, isReserved, isUri } from "../messages/identifiers.ts";
import { type Dict, type MessageOf, namedPayload, type } from "../messages/messages.ts";
import { routerError, WampError } from "../session/errors.ts";
import { type Answer, allowed, type Invocable, type WampHooks, WampResult } from "../session/hooks.ts";
import { listLimit, sessionsOf, tell, tooMany } from "../session/inbox.ts";
import type { WampSession } from "../session/session.ts";
import { topics } from "../session/topics.ts";

/** CALL. @returns undefined where it is not the handler's. */
export function callOwn(session: WampSession, [, request, options, procedure, ...payload]: MessageOf<"CALL">): Answer {
  const { procedures = {}, onCall }: WampHooks = session.hooks;
  const own = Object.hasOwn(procedures, procedure) ? procedures[procedure] : isReserved(procedure) ? callMeta : onCall;
  if (own === undefined) return undefined;
  const call = { procedure, options, progress: progressOf(session, request, options), ...namedPayload(payload) };
  return after(own(session, call), (value) => {
    if (value instanceof WampError) return value;
    if (value instanceof WampResult) return [type.RESULT, request, {}, ...value.payload];
    if (value === undefined && own === onCall) return undefined;
    return value === undefined ? [type.RESULT, request, {}] : [type.RESULT, request, {}, [value]];
  });
}

/** "Progressive Call Results". What has gone out before a worker died is not sent again. */
function progressOf(session: WampSession, request: number, options: Dict): Invocable["progress"] {
  const { id: turn } = session.turn;
  const before = session.state.progress?.turn === turn ? session.state.progress.count : 0;
  let count = 0;
  return async (...args) => {
    if (options.receive_progress !== true || ++count <= before) return;
    session.send([type.RESULT, request, { progress: true }, args]);
    session.update({ progress: { turn, count } });
    await session.conn.flush();
  };
}

/** "Session Meta API", "Procedures" */
function callMeta(session: WampSession, call: Invocable): Answer {
  const { onMeta = (_session: WampSession, procedure: string) => procedure !== "wamp.session.kill" } = session.hooks;
  // Whoever says nothing of a procedure that ends sessions has not allowed it.
  return after(onMeta(session, call.procedure), (said) => allowed(said ?? false, () => answerMeta(session, call)));
}

async function answerMeta(session: WampSession, { procedure, args: [first], kwargs }: Invocable): Promise<unknown> {
  const { conn, scope } = session;
  if (procedure === "wamp.session.count" || procedure === "wamp.session.list") {
    if (!Array.isArray(first ?? [])) return routerError("wamp.error.invalid_argument");
    const authroles = Array.isArray(first) ? new Set(first) : undefined;
    if (authroles !== undefined && authroles.size > listLimit) return tooMany;
    const members = await conn.members<Dict>(topics.sessions(scope));
    const ids = members.filter(({ info }) => authroles?.has(info.authrole) ?? true).map(({ info }) => info.session);
    return procedure === "wamp.session.list" ? ids : ids.length;
  }
  if (procedure !== "wamp.session.get" && procedure !== "wamp.session.kill") return routerError("wamp.error.no_such_procedure");
  const [found] = (await sessionsOf(session, isId(first) ? [first as number] : [])).map(({ info }) => info);
  const isGet = procedure === "wamp.session.get";
  if (found === undefined || (!isGet && first === session.id)) return routerError("wamp.error.no_such_session");
  if (isGet) return found;
  const { reason = "wamp.close.killed", message } = kwargs;
  if (typeof reason !== "string" || !isUri(reason)) return routerError("wamp.error.invalid_uri");
  tell(session, { kind: "kill", to: first as number, reason, details: typeof message === "string" ? { message } : {} });
  return undefined;
}
