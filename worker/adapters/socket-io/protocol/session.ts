// One connection as Socket.IO's protocol sees it: its sockets by namespace, and what becomes of each packet.
// Source: socket.io-protocol v5, "Exchange protocol".

import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { after, allOf } from "../../../adapter.ts";
import { invalid, tooLarge } from "../../engine-io/engine.ts";
import { transportErrorCode } from "../../engine-io/packet.ts";
import { isAsStored, isWellFormed, storedBytes } from "../../stored.ts";
import { through } from "../api/middleware.ts";
import type { Found, Server } from "../api/namespace.ts";
import { type Client, Socket } from "../api/socket.ts";
import { framesOf, isMeant, memberInfo, type Order, type Place } from "../rooms/broadcast.ts";
import { attachmentsOf, decodePacket, encodePacket, type Packet, packetType } from "./packet.ts";
import { type Conn, RunningTurn, runIn, type SocketState } from "./turn.ts";

export const ackTimer = "socket.io acks";
export const connectTimer = "socket.io connect";
export const attachmentsTimer = "socket.io attachments";

/** So much of a packet whose attachments have not all come is in the connection's state; more is in this worker's memory. */
const incomingStateBytes = 4 * 1024;
/** For how long it is kept there. */
const attachmentsMs = 60_000;
/** How long a deploy waits for them. */
const stayMs = 10_000;
/** What clients have told with all their `auth`: it is in the state. */
const authBytes = 4 * 1024;
const namespaceLimit = 16;
/** Between what a client is told when it connects, and what listeners emit to it: time to have read the former. */
const apartMs = 5;

export class Session<Data> implements Client {
  readonly id: string;
  private readonly io: Server<Data>;
  private readonly sockets = new Map<string, Socket<Data>>();
  private readonly limitBytes: number;
  /** The state that it was compared with last. */
  private seen: Conn["state"] | undefined;
  /** Attachments that are too large for the state. */
  private parts: Uint8Array[] | undefined;

  /** @param limitBytes of a packet with all its attachments. */
  constructor(id: string, io: Server<Data>, limitBytes: number) {
    this.id = id;
    this.io = io;
    this.limitBytes = limitBytes;
  }

  /** Whether it is what the state tells: another worker may have had the connection meanwhile. */
  fits(state: Conn["state"]): boolean {
    if (state === this.seen) return true;
    const names = Object.keys(state.sockets);
    const isSame = names.length === this.sockets.size && names.every((name) => this.sockets.get(name)?.id === state.sockets[name]?.id);
    if (isSame) this.seen = state;
    return isSame;
  }

  /** The connection has come from another worker: its listeners are registered again. A namespace that is no more is left. */
  restore(turn: RunningTurn): unknown {
    const rerun = new RunningTurn(turn.conn, turn, turn);
    const settling = Object.entries(turn.conn.state.sockets).map(([name, state]) => {
      const found = this.io.find(name);
      if (found === undefined) return runIn(turn, () => this.dropped(name, turn));
      const socket = this.add(found.place, turn.conn, state as SocketState);
      if (state.isConnecting) return undefined;
      socket.isNew = false;
      return runIn(rerun, () => allOf(found.nsp.listeners.map((listener) => listener(socket))));
    });
    return allOf(settling);
  }

  private dropped(name: string, turn: RunningTurn): void {
    turn.conn.send(framesOf(encodePacket({ type: packetType.disconnect, nsp: name })));
    this.forget(name, turn);
  }

  /** @param data What an Engine.IO message carries. @throws {CodedError} "message.invalid" */
  received(data: string | Uint8Array, turn: RunningTurn): unknown {
    const { incoming } = turn.conn.state;
    if (typeof data === "string") {
      if (incoming !== undefined) throw invalid("text came before all attachments of the packet before");
      if (attachmentsOf(data) === 0) return this.handle(decodePacket(data), turn);
      return this.awaitAttachments(turn, data, []);
    }
    if (incoming === undefined) throw invalid("an attachment came without its packet");
    const before = incoming.parts ?? this.parts;
    // The worker that had them is gone.
    if (before === undefined) return turn.conn.close(transportErrorCode, "attachments lost");
    const parts = [...before, data] as Uint8Array[];
    if (parts.length < attachmentsOf(incoming.text)) return this.awaitAttachments(turn, incoming.text, parts);
    if (this.parts !== undefined) {
      turn.conn.stay(0);
      turn.conn.clearTimer(attachmentsTimer);
    }
    this.parts = undefined;
    turn.state.incoming = undefined;
    return this.handle(decodePacket(incoming.text, parts), turn);
  }

  private awaitAttachments(turn: RunningTurn, text: string, parts: Uint8Array[]): void {
    const textBytes = Buffer.byteLength(text);
    const bytes = parts.reduce((sum, { length }) => sum + length, textBytes);
    if (bytes > this.limitBytes) throw tooLarge("a packet with its attachments", this.limitBytes);
    if (textBytes > incomingStateBytes) throw invalid(`the text of a packet with attachments has at most ${incomingStateBytes} bytes`);
    const isLarge = bytes > incomingStateBytes;
    if (isLarge && this.parts === undefined) turn.conn.setTimer(attachmentsTimer, attachmentsMs);
    this.parts = isLarge ? parts : undefined;
    // A deploy waits for the rest.
    if (isLarge) turn.conn.stay(stayMs);
    turn.state.incoming = this.parts === undefined ? { text, parts } : { text };
  }

  private handle({ type, nsp, id, data }: Packet, turn: RunningTurn): unknown {
    const socket = this.sockets.get(nsp);
    // One whose worker died between its two commits begins with the second.
    const isNew = socket === undefined || turn.conn.state.sockets[nsp]?.isConnecting === true;
    if (type === packetType.connect && isNew) return this.connect(nsp, (data ?? {}) as Record<string, unknown>, turn);
    if (socket === undefined || type === packetType.connect)
      throw invalid(`${nsp} is ${socket === undefined ? "not" : "already"} connected`);
    if (type === packetType.disconnect) return this.leave(socket, turn, "client namespace disconnect");
    if (type === packetType.ack) return socket.acknowledged(String(id), data as unknown[]);
    return socket.received(data as unknown[], id);
  }

  private async connect(name: string, auth: Record<string, unknown>, turn: RunningTurn): Promise<void> {
    const found = this.io.find(name);
    if (found === undefined) return refuse(turn, name, new Error("Invalid namespace"));
    const known = Object.entries(turn.conn.state.sockets).filter(([other]) => other !== name);
    if (known.length >= namespaceLimit) throw invalid(`a connection has at most ${namespaceLimit} namespaces`);
    if (!isWellFormed(auth)) throw invalid("auth has text with half of a surrogate pair");
    if (storedBytes([auth, ...known.map(([, socket]) => socket.auth)]) > authBytes)
      throw invalid(`the auth of a connection has at most ${authBytes} bytes of JSON, with nine for each number, in all its namespaces`);
    const socket = this.sockets.get(name) ?? (await this.admit(found, auth, turn));
    if (socket === undefined) return;
    delete turn.state.sockets[name]?.isConnecting;
    await allOf(found.nsp.listeners.map((listener) => listener(socket)));
  }

  /**
   * The client hears that it is connected before anything that the listeners emit: a commit of its own, since clients that wait for one
   * message, and then for the next, would miss what they read together with it.
   * @returns undefined where a middleware refuses it.
   */
  private async admit({ nsp, place }: Found<Data>, auth: Record<string, unknown>, turn: RunningTurn): Promise<Socket<Data> | undefined> {
    const { name } = place;
    const { recovery } = this.io;
    const recovered = await recovery?.restore(place, auth, turn);
    const state: SocketState = { ...(recovered?.state ?? this.newState()), auth, issued: Date.now(), isConnecting: true };
    turn.state.sockets[name] = state;
    const socket = this.add(place, turn.conn, state);
    const isLetIn = recovered !== undefined && recovery?.skipMiddlewares;
    const error = isLetIn ? undefined : await through(nsp.middlewares, (middleware, next) => middleware(socket, next));
    if (error !== undefined) {
      this.forget(name, turn);
      refuse(turn, name, error);
      return undefined;
    }
    // Not before it is let in: what is stored takes the place of what others have missed.
    if (recovered === undefined && recovery) state.recovery = await recovery.begin(place, turn);
    turn.conn.clearTimer(connectTimer);
    for (const data of recovered?.missed ?? []) turn.conn.send(data);
    const after = (topic: string) => (recovered === undefined ? {} : { after: recovered.after(topic) });
    turn.conn.subscribe(place.orders, { hook: true });
    // One behind the other: what has come meanwhile arrives in the order of all its rooms.
    turn.conn.subscribe(place.topic(), { as: memberInfo(state), ...after(place.topic()) });
    for (const topic of [...new Set([state.id, ...(recovered?.rooms ?? [])])].map((room) => place.topic(room)))
      turn.conn.subscribe(topic, { as: 0, ...after(topic) });
    socket.packet(packetType.connect, { sid: state.id, pid: state.recovery?.pid });
    this.awaitAcks(turn);
    turn.conn.setState(turn.state as Conn["state"]);
    await turn.conn.flush();
    await pause(apartMs);
    return socket;
  }

  private newState(): Omit<SocketState, "auth" | "issued"> {
    return { id: `${this.id}.${randomBytes(6).toString("base64url")}`, data: {}, lastAck: 0, acks: {} };
  }

  private add(place: Place, conn: Conn, { id, auth, issued, recovery }: SocketState): Socket<Data> {
    const handshake = { auth, issued, address: conn.ip, query: Object.fromEntries(conn.query) };
    const socket = new Socket<Data>(place, this, handshake, { id, user: conn.user });
    socket.recovered = recovery?.isRecovered === true;
    this.sockets.set(place.name, socket);
    return socket;
  }

  disconnect(place: Place, turn: RunningTurn, close: boolean): void {
    const sockets = [...this.sockets.values()].filter(({ connected }) => connected);
    for (const socket of sockets.filter((each) => close || each.place === place)) {
      socket.sendOwn(turn);
      socket.packet(packetType.disconnect, undefined);
      turn.waited ??= [];
      turn.waited.push(this.leave(socket, turn, "server namespace disconnect"));
    }
    if (close) turn.conn.close();
  }

  /** The connection has closed. */
  closed(turn: RunningTurn, reason: string): unknown {
    return allOf([...this.sockets.values()].map((socket) => this.leave(socket, turn, reason)));
  }

  private leave(socket: Socket<Data>, turn: RunningTurn, reason: string): unknown {
    socket.connected = false;
    const disconnected = () => {
      this.io.recovery?.save(socket.place, reason, turn);
      quit(socket.place, turn);
      return after(socket.notify("disconnect", [reason, undefined]), () => this.forget(socket.place.name, turn));
    };
    return after(socket.notify("disconnecting", [reason, undefined]), disconnected);
  }

  private forget(name: string, turn: RunningTurn): void {
    this.sockets.delete(name);
    delete turn.state.sockets[name];
    const place = this.io.find(name)?.place;
    if (place !== undefined) quit(place, turn);
  }

  /** What somebody has asked of the sockets of a namespace. */
  ordered(topic: string, order: Order, turn: RunningTurn): void {
    const socket = [...this.sockets.values()].find(({ place }) => place.orders === topic);
    if (socket === undefined || this.io.recovery?.hears(socket.place, order.emit?.text ?? "", turn) === false) return;
    if (order.from === this.id || !isMeant(order, socket.rooms)) return;
    if (order.emit !== undefined) {
      const { text, attachments } = order.emit;
      socket.relay({ text, attachments: attachments.map((base64) => Buffer.from(base64, "base64")) });
      this.io.recovery?.relayed(socket.place, text, turn);
    }
    if (order.join !== undefined) socket.join(order.join);
    for (const room of order.leave ?? []) socket.leave(room);
    if (order.disconnect !== undefined) socket.disconnect(order.disconnect);
  }

  awaitAcks(turn: RunningTurn): void {
    const times = Object.values(turn.state.sockets).flatMap(({ acks }) => Object.values(acks).flatMap(({ at }) => at ?? []));
    if (times.length > 0) turn.conn.setTimer(ackTimer, Math.max(1, Math.min(...times) - Date.now()));
  }

  /** Callbacks whose time has come are called with an error. */
  giveUpAcks(turn: RunningTurn): unknown {
    const settling = [...this.sockets.values()].flatMap((socket) => {
      const acks: SocketState["acks"] = turn.state.sockets[socket.place.name]?.acks ?? {};
      const late = Object.entries(acks).filter(([, { at }]) => at !== undefined && at <= Date.now());
      return late.map(([id]) => socket.acknowledged(id, [], new Error("operation has timed out")));
    });
    return after(allOf(settling), () => this.awaitAcks(turn));
  }

  /** What a turn has changed is stored, and others are told of it. */
  end(turn: RunningTurn): void {
    if (turn.hasChanged) this.store(turn);
    turn.end();
  }

  private store({ conn, state }: RunningTurn): void {
    for (const { place } of this.sockets.values()) {
      const [before, after] = [conn.state.sockets[place.name], state.sockets[place.name]];
      if (before === undefined || after === undefined || isAsStored(after.data, before.data)) continue;
      conn.subscribe(place.topic(), { as: memberInfo(after) });
    }
    conn.setState(state as Conn["state"]);
  }
}

/** Nothing that is for the namespace, or for one of its rooms, is for this connection any more. */
function quit(place: Place, { conn }: RunningTurn): void {
  for (const room of place.roomsIn(conn.topics)) conn.unsubscribe(place.topic(room));
  conn.unsubscribe(place.topic());
  conn.unsubscribe(place.orders);
}

/** Source: "Connection to a namespace". */
function refuse({ conn }: RunningTurn, nsp: string, { message, data }: Error & { readonly data?: unknown }): void {
  conn.send(framesOf(encodePacket({ type: packetType.connectError, nsp, data: { message, data } })));
}
