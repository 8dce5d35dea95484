// A handler that speaks Socket.IO, protocol 5, over Engine.IO 4:
//
//   export default socketIo({ path: "/socket.io/*" }, (io) => {
//     io.on("connection", (socket) => {
//       socket.on("chat message", (text) => io.emit("chat message", text));
//     });
//   });
//
// docs/socket-io.md says what is as in Socket.IO's own server, and what is not.

import {
  type App,
  defineHandler,
  type Handler,
  type HandlerOptions,
  type StartContext,
  type Turn,
  type,
  type UpgradeRequest,
  type Welcome,
} from "../../handler.ts";
import { isThenable } from "../../thenable.ts";
import { type EngineOptions, engineHooks, type Settled } from "../engine-io/engine.ts";
import { Server } from "./namespace.ts";
import { ackTimer, after, allOf, connectTimer, Session } from "./session.ts";
import { type Conn, Outlet, RunningTurn, runIn, type SessionState } from "./turn.ts";

export type { BroadcastOperator } from "./broadcast.ts";
export type { Namespace, Server } from "./namespace.ts";
export type { Socket } from "./socket.ts";

type Options = HandlerOptions<string, undefined, undefined>;

export interface SocketIoOptions extends EngineOptions, Pick<Options, "origins" | "requireOrigin" | "limits" | "tasks" | "onGatewayLost"> {
  /** With `/*` at its end: `/socket.io/*` is where clients look. */
  readonly path: string;
  /** How long a client may take to connect to a namespace: 45,000 ms. */
  readonly connectTimeout?: number;
  /** Decides about a client before Socket.IO does, and names its user. */
  readonly onUpgrade?: (request: UpgradeRequest) => Verdict | Promise<Verdict>;
  readonly onStart?: (app: App, context: StartContext) => Settled;
}

type Verdict = Omit<Welcome, "state" | "subprotocol"> | Response | undefined;

/** @param setUp is called once in each worker, when its code is loaded: it registers listeners. */
export function socketIo<Data = Record<string, unknown>>(options: SocketIoOptions, setUp: (io: Server<Data>) => void): Handler {
  const {
    path,
    connectTimeout = 45_000,
    pingInterval,
    pingTimeout,
    maxHttpBufferSize = 262_144,
    cors,
    onUpgrade,
    onStart,
    ...rest
  } = options;
  const outlet = new Outlet();
  const io = new Server<Data>(path, outlet);
  setUp(io);
  // A connection has the same query for as long as it is with this worker, and what is known of it goes with that.
  const sessions = new WeakMap<object, Session<Data>>();

  function visit(conn: Conn, { app }: Turn, work: (session: Session<Data>, turn: RunningTurn) => unknown): Settled {
    outlet.app = app;
    const turn = new RunningTurn(conn, app);
    const known = sessions.get(conn.query);
    const isKnown = known?.fits(conn.state) === true;
    const session = isKnown ? known : new Session(conn.id, io, maxHttpBufferSize);
    sessions.set(conn.query, session);
    // No functions with names: tsx names each of them again, whenever it is made.
    try {
      const settling = runIn(turn, () => after(isKnown ? undefined : session.restore(turn), () => work(session, turn)));
      const ending = after(settling, () => after(allOf(turn.waited), () => session.end(turn)));
      if (isThenable(ending))
        return Promise.resolve(ending).then(
          () => undefined,
          (error) => abandon(turn, error),
        );
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

  const hooks = engineHooks<Conn["state"]>(
    { ...(pingInterval && { pingInterval }), ...(pingTimeout && { pingTimeout }), maxHttpBufferSize, ...(cors && { cors }) },
    {
      initial: { sockets: {} },
      onUpgrade: onUpgrade as never,
      opened: (conn) => conn.setTimer(connectTimer, connectTimeout),
      received: (conn, data, turn) => visit(conn, turn, (session, running) => session.received(data, running)),
      timer: (conn, name, turn) => {
        if (name === connectTimer) return conn.close(4001, "connect timeout");
        if (name === ackTimer) return visit(conn, turn, (session, running) => session.giveUpAcks(running));
      },
      closed: (conn, reason, turn) => visit(conn, turn, (session, running) => session.closed(running, reason)),
    },
  );
  return defineHandler({
    ...rest,
    ...hooks,
    path,
    state: type<SessionState>({ sockets: {} }),
    onStart(app, context) {
      outlet.app = app;
      return onStart?.(app, context);
    },
    onPublish: (conn, topic, message, turn) =>
      visit(conn, turn, (session, running) => session.ordered(topic, message.json() as never, running)),
  });
}
