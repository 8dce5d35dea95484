// WebSockets that have opened to take the place of a session: each is a connection of its own, until a turn of it asks for that.

import { decodeClose } from "../../protocol/payloads.ts";
import { toWorker } from "../../protocol/records.ts";
import type { ClientEvents } from "../client-events.ts";
import type { Connection, Socket } from "../connection.ts";
import type { ConnectionEvent } from "../event.ts";
import type { SessionSocket } from "./session-socket.ts";

/** What is taken over. */
interface Session {
  readonly connection: Connection;
  readonly socket: SessionSocket;
}

export interface SessionMovesOptions {
  readonly clients: Pick<ClientEvents, "receive" | "closed" | "heard" | "break">;
  /** See Dispatcher.closing. */
  readonly closing: (connection: Connection) => void;
}

export class SessionMoves {
  /** Sessions whose place a WebSocket has taken. */
  moved = 0;
  private readonly options: SessionMovesOptions;
  /** Those that have not moved yet. Weak: one that has closed may still have a turn that moves it. */
  private readonly movers = new WeakMap<Connection, Session>();

  constructor(options: SessionMovesOptions) {
    this.options = options;
  }

  /** A WebSocket opens for this session. */
  add(connection: Connection, session: Session): void {
    this.movers.set(connection, session);
  }

  /** A WebSocket has opened. If it is for a session that has closed, or has moved already, it closes. */
  opened(connection: Connection): void {
    const session = this.movers.get(connection);
    if (session !== undefined && !session.socket.isOpen) this.options.clients.break(connection, "session.unknown");
  }

  /** A WebSocket has closed. */
  closed(connection: Connection): void {
    this.movers.get(connection)?.socket.resume(connection);
  }

  /** See `conn.pauseSession`. Nothing would resume it where the WebSocket has closed meanwhile. */
  pause(connection: Connection, frame: string): void {
    if (connection.socket !== undefined) this.movers.get(connection)?.socket.pause(connection, frame);
  }

  /**
   * The WebSocket of a connection whose turn has just asked for it becomes the session's, with what its client has sent behind the message
   * of that turn. The connection is closed; for good, where the session has gone meanwhile. A WebSocket that its client has closed since
   * that message ends the session: the client asks for nothing any more.
   */
  move(connection: Connection): void {
    const { clients, closing } = this.options;
    const session = this.movers.get(connection);
    const { socket } = connection;
    this.movers.delete(connection);
    const behind = connection.events.slice(1);
    // Whatever becomes of it: its worker keeps nothing that is behind this turn but its close.
    closing(connection);
    if (socket === undefined) return this.moveClosed(session, behind);
    if (session?.socket.isOpen !== true || socket.handTo === undefined) return clients.break(connection, "session.unknown");
    const { connection: heir } = session;
    leaveTopics(connection, socket);
    clients.closed(connection, { code: 1000, reason: new Uint8Array(0), isSlow: false });
    socket.handTo(heir);
    session.socket.moveTo(socket);
    this.moved++;
    heir.socket = socket;
    clients.heard(heir);
    this.receiveAll(heir, behind);
  }

  private moveClosed(session: Session | undefined, behind: readonly ConnectionEvent[]): void {
    const close = behind.find(({ type }) => type === toWorker.close);
    if (session?.socket.isOpen !== true || close === undefined) return;
    this.receiveAll(session.connection, behind);
    session.socket.close(decodeClose(Buffer.from(close.payload)));
  }

  private receiveAll(heir: Connection, events: readonly ConnectionEvent[]): void {
    const messages = events.filter(({ type }) => type === toWorker.message);
    for (const { payload, isBinary } of messages) this.options.clients.receive(heir, payload, isBinary, true);
  }
}

// What was published before has to leave first: uWebSockets.js forgets it when its topic is left.
function leaveTopics({ topics }: Connection, socket: Socket): void {
  if (topics === undefined) return;
  socket.ping();
  for (const topic of topics) socket.unsubscribe(topic);
}
