// Engine.IO, protocol 4: opens sessions and takes its packets apart. What its messages carry is its user's.
// Source: engine.io-protocol v4.

import type { Closing, Connection, Message, Turn, UpgradeRequest, Welcome } from "../../handler.ts";
import { invalid } from "./packet.ts";

/** Source: "Packet encoding". */
const packetType = { open: "0", close: "1", ping: "2", pong: "3", message: "4", upgrade: "5", noop: "6" } as const;

export interface EngineOptions {
  /** Milliseconds from a pong to the next ping: 25,000. */
  readonly pingInterval?: number;
  /** How long a client may take for its pong: 20,000. */
  readonly pingTimeout?: number;
  /** What clients are told that a message may have, in bytes: 262,144. The setting MESSAGE_BYTES is what counts. */
  readonly maxHttpBufferSize?: number;
}

type Conn<State> = Connection<unknown, State>;
export type Settled = void | Promise<void>;
type Upgrade<State> = Welcome<State> | Response | undefined;

/** What Engine.IO is used for. */
export interface EngineUser<State> {
  onUpgrade?: ((request: UpgradeRequest) => Upgrade<State> | Promise<Upgrade<State>>) | undefined;
  opened(conn: Conn<State>, turn: Turn): Settled;
  /** @param data of one message. What it throws closes the connection; "message.invalid" is the client's fault. */
  received(conn: Conn<State>, data: string | Uint8Array, turn: Turn): Settled;
  /** @param reason as Socket.IO names it. */
  closed(conn: Conn<State>, reason: string, turn: Turn): Settled;
}

const pingTimeoutReason = "ping timeout";

/** Engine.IO's own refusals. */
const refusals = {
  transport: { code: 0, message: "Transport unknown" },
  session: { code: 1, message: "Session ID unknown" },
  method: { code: 2, message: "Bad handshake method" },
  request: { code: 3, message: "Bad request" },
  version: { code: 5, message: "Unsupported protocol version" },
} as const;

/** The hooks of a handler that speaks Engine.IO. */
export function engineHooks<State>(options: EngineOptions, user: EngineUser<State>) {
  const { pingInterval = 25_000, pingTimeout = 20_000, maxHttpBufferSize = 262_144 } = options;
  return {
    onUpgrade(request: UpgradeRequest) {
      const { query } = request;
      if (query.get("EIO") !== "4") return refusal("version");
      if (query.get("transport") !== "websocket") return refusal("transport");
      if (query.has("sid")) return refusal("session");
      return user.onUpgrade?.(request);
    },
    onOpen(conn: Conn<State>, turn: Turn) {
      const sid = Buffer.from(crypto.getRandomValues(new Uint8Array(15))).toString("base64url");
      const handshake = { sid, upgrades: [], pingInterval, pingTimeout, maxPayload: maxHttpBufferSize };
      conn.send(packetType.open + JSON.stringify(handshake));
      const beat = { every: pingInterval, send: packetType.ping, expect: packetType.pong, within: pingTimeout };
      conn.setHeartbeat({ ...beat, close: { code: 4000, reason: pingTimeoutReason } });
      return user.opened(conn, turn);
    },
    onMessage(conn: Conn<State>, message: Message, turn: Turn) {
      if (message.isBinary) return user.received(conn, message.bytes(), turn);
      const text = message.text();
      switch (text[0]) {
        case packetType.message:
          return user.received(conn, text.slice(1), turn);
        case packetType.close:
          return conn.close();
        default:
          throw invalid(`${JSON.stringify(text.slice(0, 20))} is no packet of Engine.IO: 4 and what the message carries`);
      }
    },
    onClose(conn: Conn<State>, closing: Closing, turn: Turn) {
      return user.closed(conn, reasonOf(closing), turn);
    },
  };
}

/** Source: Socket.IO's server API, "disconnect". */
function reasonOf({ reason }: Closing): string {
  if (reason === pingTimeoutReason) return reason;
  return reason === "message.invalid" ? "parse error" : "transport close";
}

function refusal(why: keyof typeof refusals): Response {
  return Response.json(refusals[why], { status: 400 });
}
