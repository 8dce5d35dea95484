// A handler that speaks Socket.IO, protocol 5, over Engine.IO 4:
//
//   export default socketIo({ path: "/socket.io/*" }, (io) => {
//     io.on("connection", (socket) => {
//       socket.on("chat message", (text) => io.emit("chat message", text));
//     });
//   });
//
// docs/socket-io.md says what is as in Socket.IO's own server, and what is not.

import { existsSync } from "node:fs";
import { inspect } from "node:util";
import { CodedError, isThenable } from "../../adapter.ts";
import { serveFiles } from "../../files.ts";
import {
  type App,
  defineHandler,
  type Handler,
  type HandlerOptions,
  type RequestContext,
  type StartContext,
  type Turn,
  type,
  type UpgradeRequest,
  type Welcome,
} from "../../handler.ts";
import { type EngineOptions, engineHooks, type Settled } from "../engine-io/engine.ts";
import { transportErrorCode } from "../engine-io/packet.ts";
import { checkCount, checkNames } from "../options.ts";
import { Server } from "./api/namespace.ts";
import { ackTimer, attachmentsTimer, connectTimer, Session } from "./protocol/session.ts";
import { type Conn, Outlet, RunningTurn, runIn, type SessionState } from "./protocol/turn.ts";
import { Recovery, type RecoveryOptions } from "./recovery/recovery.ts";
import type { Order } from "./rooms/broadcast.ts";

export type { Namespace, Server } from "./api/namespace.ts";
export type { Socket } from "./api/socket.ts";
export type { BroadcastOperator } from "./rooms/broadcast.ts";

type Options = HandlerOptions<string, undefined, undefined>;

export interface SocketIoOptions extends EngineOptions, Pick<Options, "origins" | "requireOrigin" | "limits" | "tasks" | "onGatewayLost"> {
  /** With `/*` at its end: `/socket.io/*` is where clients look. */
  readonly path: string;
  /** How long a client may take to connect to a namespace: 45,000 ms. */
  readonly connectTimeout?: number;
  /** Has sockets recovered whose connection broke, with what they have missed. See docs/socket-io.md. */
  readonly connectionStateRecovery?: RecoveryOptions;
  /** The client's script, served as `socket.io.js` with what is beside it: `import.meta.resolve("socket.io-client/dist/socket.io.js")`. */
  readonly serveClient?: string;
  /** Decides about a client before Socket.IO does, and names its user. */
  readonly onUpgrade?: (request: UpgradeRequest) => Verdict | Promise<Verdict>;
  readonly onStart?: (app: App, context: StartContext) => Settled;
}

type Verdict = Omit<Welcome, "state" | "subprotocol"> | Response | undefined;

/** In JavaScript, nothing else would notice an option of Socket.IO's own server that is not here. */
const optionNames: Record<keyof SocketIoOptions, true> = {
  ...{ path: true, pingInterval: true, pingTimeout: true, maxHttpBufferSize: true, cors: true, connectTimeout: true },
  ...{ connectionStateRecovery: true, serveClient: true, onUpgrade: true, onStart: true },
  ...{ origins: true, requireOrigin: true, limits: true, tasks: true, onGatewayLost: true },
};
const corsNames: Record<keyof NonNullable<EngineOptions["cors"]>, true> = { origin: true, credentials: true };
const recoveryNames: Record<keyof RecoveryOptions, true> = { maxDisconnectionDuration: true, skipMiddlewares: true };

/** What a session does in a turn. */
type Work<Data, Given> = (session: Session<Data>, turn: RunningTurn, given: Given) => unknown;

/** @param setUp is called once in each worker, when its code is loaded: it registers listeners. @throws {CodedError} "handler.invalid" */
export function socketIo<Data = Record<string, unknown>>(options: SocketIoOptions, setUp: (io: Server<Data>) => void): Handler {
  checkNames("Socket.IO", options, optionNames);
  checkNames("cors", options.cors, corsNames);
  checkNames("connectionStateRecovery", options.connectionStateRecovery, recoveryNames);
  const { path, connectTimeout = 45_000, maxHttpBufferSize = 262_144, pingInterval, pingTimeout, cors, ...others } = options;
  const { serveClient, onUpgrade, onStart, connectionStateRecovery, ...rest } = others;
  if (!path.endsWith("/*"))
    throw new CodedError("handler.invalid", `a path of Socket.IO ends with /*, as /socket.io/*, where clients look for it: not ${path}`);
  checkCount("connectTimeout", connectTimeout);
  const files = serveClient === undefined ? undefined : clientFiles(serveClient);
  const recovery = connectionStateRecovery && new Recovery(connectionStateRecovery, options);
  const outlet = new Outlet(recovery?.keep);
  const io = new Server<Data>(path, outlet, recovery);
  if (typeof setUp !== "function")
    throw new CodedError(
      "handler.invalid",
      "Socket.IO wants its options, and a function that registers listeners: socketIo(options, (io) => …)",
    );
  if (isThenable(setUp(io)))
    throw new CodedError(
      "handler.invalid",
      "listeners are registered without waiting: have the function not be async, and await in onStart",
    );
  // A connection has the same query for as long as it is with this worker, and what is known of it goes with that.
  const sessions = new WeakMap<object, Session<Data>>();

  // Most turns wait for nothing: they cost no promise and no closure.
  function visit<Given>(conn: Conn, of: Turn, work: Work<Data, Given>, given: Given): Settled {
    outlet.app = of.app;
    const turn = new RunningTurn(conn, of);
    try {
      const known = sessions.get(conn.query);
      if (known === undefined || !known.fits(conn.state)) return restored(turn, work, given);
      const settling = runIn(turn, work, known, turn, given);
      if (isThenable(settling) || turn.waited !== undefined) return finished(known, turn, settling);
      known.end(turn);
    } catch (error) {
      abandon(turn, error);
    }
  }

  function restored<Given>(turn: RunningTurn, work: Work<Data, Given>, given: Given): Promise<void> {
    const session = new Session(turn.conn.id, io, maxHttpBufferSize);
    sessions.set(turn.conn.query, session);
    return finished(
      session,
      turn,
      runIn(turn, async () => {
        await session.restore(turn);
        await work(session, turn, given);
      }),
    );
  }

  async function finished(session: Session<Data>, turn: RunningTurn, settling: unknown): Promise<void> {
    try {
      await settling;
      await Promise.all(turn.waited ?? []);
      session.end(turn);
    } catch (error) {
      abandon(turn, error);
    }
  }

  /** What the session has become in a turn that is rolled back has not happened. */
  function abandon(turn: RunningTurn, error: unknown): never {
    sessions.delete(turn.conn.query);
    turn.end();
    throw error;
  }

  const received: Work<Data, string | Uint8Array> = (session, turn, data) => session.received(data, turn);
  const giveUpAcks: Work<Data, undefined> = (session, turn) => session.giveUpAcks(turn);
  const closed: Work<Data, string> = (session, turn, reason) => session.closed(turn, reason);
  const ordered: Work<Data, { readonly topic: string; readonly order: Order }> = (session, turn, { topic, order }) =>
    session.ordered(topic, order, turn);
  const hooks = engineHooks<Conn["state"]>(options, {
    initial: { sockets: {} },
    onUpgrade: onUpgrade as never,
    opened: (conn) => conn.setTimer(connectTimer, connectTimeout),
    received: (conn, data, turn) => visit(conn, turn, received, data),
    timer: (conn, name, turn) => {
      if (name === connectTimer) return conn.close(4001, "connect timeout");
      if (name === attachmentsTimer) return conn.close(transportErrorCode, "attachments missing");
      if (name === ackTimer) return visit(conn, turn, giveUpAcks, undefined);
    },
    closed: (conn, reason, turn) => visit(conn, turn, closed, reason),
  });
  return defineHandler({
    ...rest,
    ...hooks,
    path,
    onRequest(request: Request, context: RequestContext) {
      // Engine.IO's requests are for the path itself.
      const isFile = /\.m?js(\.map)?$/.test(context.params["*"] ?? "");
      if (isFile && files === undefined) return new Response("serveClient of this handler names no client\n", { status: 404 });
      return !files || !context.params["*"] ? hooks.onRequest(request, context) : files(request, context);
    },
    state: type<SessionState>({ sockets: {} }),
    onStart(app, context) {
      outlet.app = app;
      hooks.onStart(app);
      return onStart?.(app, context);
    },
    onPublish: (conn, topic, message, turn) => visit(conn, turn, ordered, { topic, order: message.json() as Order }),
  });
}

/** @param file of the client's package, as a URL; what is beside it is served, too. @throws {CodedError} "handler.invalid" */
function clientFiles(file: unknown): ReturnType<typeof serveFiles> {
  const isFile = typeof file === "string" && URL.canParse(file) && new URL(file).protocol === "file:" && existsSync(new URL(file));
  if (isFile) return serveFiles(new URL(".", file));
  const usual = 'import.meta.resolve("socket.io-client/dist/socket.io.js")';
  throw new CodedError(
    "handler.invalid",
    `serveClient is ${inspect(file)}: it is the URL of a file, ${usual}, with that package installed`,
  );
}
