// WAMP 2 for a handler file: a router without memory of its own, so that its workers can be replaced at any moment.
//
//   export default wamp({
//     path: "/ws",
//     realms: ["realm1"],
//     procedures: { "com.example.add": (_session, { args: [a, b] }) => Number(a) + Number(b) },
//   });
//
// docs/wamp.md shows more. Each folder is a layer, to be read beside its part of the specification, and knows none that follows it:
//
//   messages/   "Messages", "Serializers", "Identifiers"
//   session/    "Sessions", "Authentication", the hooks of a handler, and how the sessions of a realm reach each other
//   broker/     "Publish and Subscribe"
//   dealer/     "Remote Procedure Calls", "Session Meta API"; it does not know the broker
//   router.ts   which of them a message is for

import { CodedError } from "../../adapter.ts";
import { defineHandler, type HandlerLimits, type, type UpgradeRequest, type Welcome } from "../../handler.ts";
import { checkNames } from "../options.ts";
import { type as messageType } from "./messages/messages.ts";
import { RequestFailed, Router } from "./router.ts";
import type { HandshakeOptions } from "./session/handshake.ts";
import type { Settled, WampHooks } from "./session/hooks.ts";
import { abort, type Conn, type State, send } from "./session/session.ts";

export { publishEvent } from "./broker/broker.ts";
export { WampError } from "./session/errors.ts";
export { deriveKey } from "./session/handshake.ts";
export { type Invocable, type WampHooks, WampResult } from "./session/hooks.ts";
export type { WampSession } from "./session/session.ts";

export interface WampOptions<Path extends string> extends Omit<HandshakeOptions, "prefix" | "path">, WampHooks {
  readonly path: Path;
  /** Handlers share their realms where they have the same; missing: the path. */
  readonly prefix?: string;
  readonly origins?: readonly string[];
  readonly requireOrigin?: boolean;
  /** Of the messages that a session may send: a publication costs a turn of each session that subscribes by a pattern. */
  readonly limits?: HandlerLimits;
  /** As of any handler: refuses with a Response, or says whose cookie it is, for `authenticate.cookie`. */
  onUpgrade?(request: UpgradeRequest): Settled<Pick<Welcome, "user" | "headers"> | Response | undefined>;
}

/** In JavaScript, nothing else would notice a hook with a wrong name, which refuses nobody. */
const optionNames: Record<keyof WampOptions<string>, true> = {
  ...{ path: true, prefix: true, realms: true, origins: true, requireOrigin: true, limits: true, authenticate: true, procedures: true },
  ...{ onUpgrade: true, onCall: true, onSubscribe: true, onUnsubscribe: true, onPublish: true, onRegister: true },
  ...{ onMeta: true, onJoin: true, onLeave: true },
};

/** How long a client may take from its handshake to WELCOME. */
const helloMs = 10_000;
const subprotocols = ["wamp.2.json", "wamp.2.msgpack"];

/** @returns what `defineHandler` does. @throws {CodedError} "handler.invalid" */
export function wamp<const Path extends string>({
  path,
  prefix = path,
  origins,
  requireOrigin,
  limits,
  onUpgrade,
  ...options
}: WampOptions<Path>) {
  checkNames("WAMP", options, optionNames);
  const { realms } = options;
  if (typeof realms !== "function" && (!Array.isArray(realms) || realms.length === 0))
    throw new CodedError("handler.invalid", 'WAMP wants realms: the names that clients may join, as in realms: ["realm1"]');
  const router = new Router({ ...options, prefix, path });
  return defineHandler({
    path,
    ...(origins && { origins }),
    ...(requireOrigin !== undefined && { requireOrigin }),
    ...(limits && { limits }),
    subprotocols,
    state: type<State>({ phase: "opening" }),
    async onUpgrade(request) {
      const subprotocol = request.subprotocols.find((name) => subprotocols.includes(name));
      if (subprotocol === undefined) return new Response(`the subprotocols are ${subprotocols.join(" and ")}`, { status: 400 });
      const welcome = await onUpgrade?.(request as UpgradeRequest);
      return welcome instanceof Response ? welcome : { ...welcome, subprotocol, expiresAt: new Date(Date.now() + helloMs) };
    },
    onMessage: (conn, message, turn) => router.receive(conn as Conn, message, turn),
    onPublish: (conn, topic, message, turn) => router.hear(conn as Conn, topic, message, turn),
    onTimer: (conn, _name, turn) => router.inSession(conn as Conn, turn, (session) => router.dealer.onTimer(session)),
    onExpire: (conn) => abort(conn as Conn, "wamp.error.timeout", "the time for HELLO, or of what was shown, has come to its end", 4401),
    onClose: (conn, closing, turn) => router.inSession(conn as Conn, turn, (session) => router.leave(session, closing)),
    async onError(conn, error, turn) {
      if (!(error.cause instanceof RequestFailed)) {
        send(conn as Conn, [messageType.ABORT, { message: error.code }, "wamp.error.runtime_error"]);
        await conn.flush();
        // Closes with 1011: the client may come again.
        throw error;
      }
      const { answer } = error.cause;
      return answer && router.inSession(conn as Conn, turn, (session) => session.sendError(...answer));
    },
  });
}
