// Engine.IO, protocol 4: opens sessions and takes its packets apart. What its messages carry is its user's.
// Source: engine.io-protocol v4.

import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { CodedError, checkEvery, warn } from "../../adapter.ts";
import type { App, Closing, Connection, Message, Turn, UpgradeRequest, Welcome } from "../../handler.ts";
import { longestSessionMs, receiveBytes } from "../../session.ts";
import { checkCount } from "../options.ts";
import { binaryOf, isLonger, packetType, transportErrorCode } from "./packet.ts";
import { isSid, pollingHook, refusal } from "./polling.ts";

export interface EngineOptions {
  /** Milliseconds from a pong to the next ping: 25,000. */
  readonly pingInterval?: number;
  /** How long a client may take for its pong: 20,000. */
  readonly pingTimeout?: number;
  /** What a message, or a body of long-polling, may have in bytes: 262,144. Clients are told no more than the setting MESSAGE_BYTES. */
  readonly maxHttpBufferSize?: number;
  /** Pages of other sites that may use it. Missing: the handler's `origins`. */
  readonly cors?: {
    /** As the handler's `origins`, which are asked of WebSockets and messages. "*": all. */
    readonly origin: string | readonly string[];
    /** Whether long-polling of these pages sends cookies, and may: with "*", browsers refuse that. False. */
    readonly credentials?: boolean;
  };
}

type Conn<State> = Connection<unknown, State>;
export type Settled = void | Promise<void>;
type Upgrade<State> = Welcome<State> | Response | undefined;

/** Of a connection that began with long-polling: the id that its client was told. */
export interface EngineState {
  readonly sid?: string;
}

/** What Engine.IO is used for. */
export interface EngineUser<State extends EngineState> {
  /** What the state of a new connection has beside `sid`. */
  readonly initial: Omit<State, "sid">;
  onUpgrade?: ((request: UpgradeRequest) => Upgrade<State> | Promise<Upgrade<State>>) | undefined;
  opened(conn: Conn<State>, turn: Turn): Settled;
  /** @param data of one message. What it throws closes the connection; "message.invalid", "message.notJson" and "message.tooLarge" are the client's fault. */
  received(conn: Conn<State>, data: string | Uint8Array, turn: Turn): Settled;
  timer?(conn: Conn<State>, name: string, turn: Turn): Settled;
  /** @param reason as Socket.IO names it. */
  closed(conn: Conn<State>, reason: string, turn: Turn): Settled;
}

/** Source: RFC 6455, section 7.4.1. */
const tooLargeCode = 1009;
const pingTimeoutReason = "ping timeout";
/** As late as the gateway may be with a heartbeat: whoever has not answered in time is gone then. */
const lateMs = 60;
const upgradeTimer = "engine.io upgrade";
/** How long a WebSocket may take for its place. Source: Engine.IO's server. */
const upgradeTimeoutMs = 10_000;

/** In ms. */
export function heartbeatOf({ pingInterval = 25_000, pingTimeout = 20_000 }: EngineOptions) {
  return { pingInterval, pingTimeout };
}

/** The hooks of a handler that speaks Engine.IO. @throws {CodedError} "handler.invalid" */
export function engineHooks<State extends EngineState>(
  options: EngineOptions & { readonly origins?: readonly string[] },
  user: EngineUser<State>,
) {
  const { maxHttpBufferSize = 262_144, cors } = options;
  const { pingInterval, pingTimeout } = heartbeatOf(options);
  checkEvery("pingInterval", pingInterval);
  checkCount("pingTimeout", pingTimeout);
  checkCount("pingInterval and pingTimeout together", pingInterval + pingTimeout, longestSessionMs);
  checkCount("maxHttpBufferSize", maxHttpBufferSize, receiveBytes);
  const origins = cors === undefined ? options.origins : [cors.origin].flat();
  if (cors !== undefined && origins?.every((each) => typeof each === "string") !== true)
    throw new CodedError("handler.invalid", `cors.origin is ${inspect(cors.origin)}: it is "https://example.com", a list of such, or "*"`);
  const newSid = () => randomBytes(15).toString("base64url");
  return {
    ...(origins && { origins }),
    onRequest: pollingHook({
      ...{ maxBytes: maxHttpBufferSize, idleMs: pingInterval + pingTimeout, newSid, initial: user.initial },
      cors: { origins: origins ?? [], credentials: cors?.credentials === true },
      admit: async (request) => user.onUpgrade?.(request),
    }),
    onStart({ messageBytes }: App): Settled {
      if (maxHttpBufferSize <= messageBytes) return;
      const text = `maxHttpBufferSize is ${maxHttpBufferSize}, and MESSAGE_BYTES ${messageBytes}: clients are told that they may send ${messageBytes} bytes. Lower maxHttpBufferSize to that, or raise MESSAGE_BYTES, as docs/limits.md has it`;
      warn({}, {}, text);
    },
    onUpgrade(request: UpgradeRequest) {
      const { query } = request;
      if (query.get("EIO") !== "4") return refusal("version");
      if (query.get("transport") !== "websocket") return refusal("transport");
      // The WebSocket of a session that began with long-polling. Source: "Upgrade".
      const session = query.get("sid");
      if (session !== null && !isSid(session)) return refusal("session");
      if (session !== null) return { session, state: { ...user.initial } as State };
      return user.onUpgrade?.(request);
    },
    onOpen(conn: Conn<State>, turn: Turn) {
      if (isProbe(conn)) return conn.setTimer(upgradeTimer, upgradeTimeoutMs);
      const { sid } = conn.state;
      const handshake = {
        sid: sid ?? newSid(),
        upgrades: sid === undefined ? [] : ["websocket"],
        pingInterval,
        pingTimeout,
        // By it, clients fill bodies of long-polling: the gateway refuses those above MESSAGE_BYTES.
        maxPayload: Math.min(maxHttpBufferSize, turn.app.messageBytes),
      };
      conn.send(packetType.open + JSON.stringify(handshake));
      const beat = { every: pingInterval, send: packetType.ping, expect: packetType.pong, within: Math.max(1, pingTimeout - lateMs) };
      conn.setHeartbeat({ ...beat, close: { code: 4000, reason: pingTimeoutReason } });
      return user.opened(conn, turn);
    },
    onMessage(conn: Conn<State>, message: Message, turn: Turn) {
      if (isProbe(conn)) return probe(conn, message.text());
      const data = message.isBinary ? message.bytes() : message.text();
      if (isLonger(data, maxHttpBufferSize)) throw tooLarge("a message", maxHttpBufferSize);
      if (typeof data !== "string") return user.received(conn, data, turn);
      switch (data[0]) {
        case packetType.message:
          return user.received(conn, data.slice(1), turn);
        case packetType.binary:
          return user.received(conn, binaryOf(data), turn);
        case packetType.close:
          // A poll that waits.
          if (conn.state.sid !== undefined) conn.send(packetType.noop);
          return conn.close();
        // Of a client, they mean nothing here: Engine.IO's server goes on, too.
        case packetType.noop:
        case packetType.upgrade:
          return;
        default:
          throw invalid(`${JSON.stringify(data.slice(0, 20))} is no packet of Engine.IO: 4 and what the message carries`);
      }
    },
    onTimer(conn: Conn<State>, name: string, turn: Turn) {
      return name === upgradeTimer ? conn.close() : user.timer?.(conn, name, turn);
    },
    onClose(conn: Conn<State>, closing: Closing, turn: Turn) {
      if (isProbe(conn)) return;
      return user.closed(conn, reasonOf(closing), turn);
    },
  };
}

/** A WebSocket that has yet to take the place of its session's polls. */
function isProbe<State>(conn: Conn<State>): boolean {
  return conn.query.has("sid");
}

function probe<State>(conn: Conn<State>, text: string): void {
  if (text === packetType.upgrade) return conn.moveToSession();
  if (text !== `${packetType.ping}probe`) throw invalid("a WebSocket of a session begins with 2probe");
  conn.send(`${packetType.pong}probe`);
  conn.pauseSession(packetType.noop);
}

/** Source: Socket.IO's server API, "disconnect". */
function reasonOf({ code, reason }: Closing): string {
  if (reason === pingTimeoutReason) return reason;
  if (reason === "message.invalid" || reason === "message.notJson") return "parse error";
  if (code === transportErrorCode || code === tooLargeCode) return "transport error";
  // Of a handler, of app.close and app.closeUser, or 4401: somebody did not want it any more.
  return code >= 3_000 ? "server namespace disconnect" : "transport close";
}

/** What a client has sent that is no packet: its connection is closed for it. */
export function invalid(what: string, cause?: unknown): CodedError {
  return new CodedError("message.invalid", what, { cause });
}

/** As `invalid`, of what has more than `maxHttpBufferSize` bytes. */
export function tooLarge(what: string, limitBytes: number): CodedError {
  return new CodedError("message.tooLarge", `${what} has at most ${limitBytes} bytes (maxHttpBufferSize)`);
}
