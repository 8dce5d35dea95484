// One client in one namespace, as its listeners see it. The object lasts for as long as its connection is with this worker; what has to
// outlast that is in `data`, in rooms and in callbacks that have names.

import { EventEmitter } from "node:events";
import { allOf, CodedError } from "../../../adapter.ts";
import type { Sendable } from "../../../handler.ts";
import { checkEventName, type EncodedPacket, encodePacket, packetType } from "../protocol/packet.ts";
import { currentTurn, NamedCallback, type RunningTurn, type SocketState } from "../protocol/turn.ts";
import { copiedBytes, encodeEvent, type Keep, offsetOf, receiptOf } from "../recovery/offset.ts";
import { BroadcastOperator, framesOf, namesOf, type Place, type Rooms } from "../rooms/broadcast.ts";
import { type Next, through } from "./middleware.ts";

/** Of anything: nobody has checked what a client emits. */
export type Listener = Parameters<EventEmitter["on"]>[1];

/** How many callbacks of a socket are waited for. They are in the state. */
const ackLimit = 32;

/** What to write in the place of a function that would be lost. */
function namedCallback(event: string): string {
  return `const answered = socket.callback("answered", (…) => …) in the listener of "connection", and then socket.emit("${event}", …, answered)`;
}

/** What a client has told when it connected; `issued` in ms since 1970. */
export interface Handshake extends Pick<SocketState, "auth" | "issued"> {
  readonly query: Readonly<Record<string, string>>;
  readonly address: string;
}

/** What a socket has its connection do. */
export interface Client {
  /** The connection's. */
  readonly id: string;
  disconnect(place: Place, turn: RunningTurn, close: boolean): void;
  /** Callbacks that the client does not call in time are called with an error. */
  awaitAcks(turn: RunningTurn): void;
}

export class Socket<Data = Record<string, unknown>> extends EventEmitter {
  readonly id: string;
  readonly handshake: Handshake;
  readonly place: Place;
  readonly client: Client;
  /** False in a listener for "connection" that runs again, in a worker that has taken the connection over. */
  isNew = true;
  connected = true;
  /** Who it is, as onUpgrade says. */
  readonly user: string | undefined;
  /** Whether it is one that was there before, with its id, rooms and data: see connectionStateRecovery. */
  recovered = false;
  readonly middlewares: Array<(event: unknown[], next: Next) => unknown> = [];
  readonly anyListeners: Listener[] = [];
  private readonly callbacks = new Map<string, Listener>();
  private readonly timeoutMs: number | undefined;
  private readonly isVolatile: boolean | undefined;

  constructor(
    place: Place,
    client: Client,
    handshake: Handshake,
    { id, user }: { readonly id: string; readonly user: string | undefined },
  ) {
    super();
    this.place = place;
    this.client = client;
    this.handshake = handshake;
    this.id = id;
    this.user = user;
  }

  /** Where a pattern serves it: the namespace that the client has named. */
  get nsp(): BroadcastOperator<Data> & { readonly name: string } {
    return Object.assign(new BroadcastOperator<Data>(this.place), { name: this.place.name });
  }

  to(rooms: Rooms): BroadcastOperator<Data> {
    return this.broadcast.to(rooms);
  }

  in(rooms: Rooms): BroadcastOperator<Data> {
    return this.broadcast.to(rooms);
  }

  except(rooms: Rooms): BroadcastOperator<Data> {
    return this.broadcast.except(rooms);
  }

  get broadcast(): BroadcastOperator<Data> {
    return new BroadcastOperator(this.place, {
      ...{ rooms: [], except: [] },
      from: this.client.id,
      sender: this.id,
      isVolatile: this.isVolatile,
    });
  }

  /** For the emit that follows: it is not kept for a client that is away. */
  get volatile(): this {
    return Object.create(this, { isVolatile: { value: true } });
  }

  /** What is changed in it during a turn is stored with the turn. */
  get data(): Data {
    return this.state().data as Data;
  }

  set data(next: Data) {
    this.state().data = next as Record<string, unknown>;
  }

  /** The room of its own id is among them. */
  get rooms(): Set<string> {
    return this.place.roomsIn(this.turn().conn.topics);
  }

  /** For the emit that follows: its callback is called with an error if the client has not called it by then. */
  timeout(ms: number): Pick<this, "emit"> {
    return Object.create(this, { timeoutMs: { value: ms } });
  }

  /** Runs for each event before its listeners. Where it calls `next` with an error, listeners of "error" get that instead. */
  use(middleware: (event: unknown[], next: Next) => unknown): this {
    this.middlewares.push(middleware);
    return this;
  }

  onAny(listener: Listener): this {
    this.anyListeners.push(listener);
    return this;
  }

  /**
   * Names what the client may call to acknowledge an event: `socket.emit("question", text, answered)`. It is called in a later turn, perhaps
   * in another worker. @param listener With `timeout`, its first parameter is an error or null, as in Socket.IO.
   */
  callback(name: string, listener: Listener): NamedCallback {
    this.callbacks.set(name, listener);
    return new NamedCallback(name);
  }

  /** @throws {TypeError} for a function: name it with `callback`. @throws {Error} for a reserved name. */
  override emit(event: string, ...args: unknown[]): boolean {
    checkEventName(event);
    const last = args.at(-1);
    if (typeof last === "function")
      throw new TypeError(`the callback of ${event} would be lost with this worker: give it a name, ${namedCallback(event)}`);
    if (currentTurn()?.isRerun) return true;
    if (last instanceof NamedCallback) this.packet(packetType.event, [event, ...args.slice(0, -1)], this.expectAck(last.name));
    else if (this.place.outlet.keep === undefined) this.packet(packetType.event, [event, ...args]);
    else this.emitRecoverable([event, ...args]);
    return true;
  }

  /** Turns run one at a time: one that waited for the client's next message would never see it. */
  emitWithAck(event: string): never {
    throw new TypeError(
      `a turn cannot wait for the answer to ${event}, which is a later turn: have it call a listener, ${namedCallback(event)}`,
    );
  }

  join(rooms: Rooms): void {
    const turn = this.own((socket) => socket.socketsJoin(rooms));
    for (const room of namesOf(rooms)) turn?.conn.subscribe(this.place.topic(room), { as: 0 });
  }

  leave(room: string): void {
    this.own((socket) => socket.socketsLeave(room))?.conn.unsubscribe(this.place.topic(`${room}`));
  }

  /** @param close Whether the whole connection is closed, with its sockets in other namespaces. */
  disconnect(close = false): this {
    const turn = this.own((socket) => socket.disconnectSockets(close));
    // It may be asked for by a listener of "disconnect".
    if (turn !== undefined && this.connected) this.client.disconnect(this.place, turn, close);
    return this;
  }

  packet(type: number, data: unknown, id?: number): void {
    const frames = framesOf(encodePacket({ type, nsp: this.place.name, data, id }));
    if (type === packetType.event || type === packetType.ack) this.deliver(frames);
    else this.place.outlet.send(this.client.id, frames);
  }

  /** An event that was ordered, see rooms/broadcast.ts: a large one is kept with its order alone. */
  relay(packet: EncodedPacket): void {
    const { outlet } = this.place;
    const { keep } = outlet;
    const offset = offsetOf(packet.text);
    if (keep === undefined || offset === undefined) return this.deliver(framesOf(packet));
    if (Buffer.byteLength(packet.text) <= copiedBytes) return this.deliver(framesOf(packet), keep);
    // By its room, so that it stays behind those before it.
    const topic = this.place.topic(this.id);
    outlet.publish(topic, framesOf(packet), {});
    outlet.publish(topic, receiptOf(offset), { keep });
  }

  private emitRecoverable(event: readonly unknown[]): void {
    const { outlet, name } = this.place;
    const { packet, keep } = encodeEvent(name, event, { recovery: outlet.keep, isKept: !this.isVolatile });
    this.deliver(framesOf(packet), keep);
  }

  /** What is kept comes by its room when it is stored, and what the turn has for it later comes behind that, by its room, too. */
  private deliver(frames: Sendable, keep?: Keep): void {
    const { outlet } = this.place;
    const turn = currentTurn();
    if (keep === undefined && turn?.toOwn === undefined) return outlet.send(this.client.id, frames, turn);
    const topic = this.place.topic(this.id);
    const own = turn?.toOwn?.get(topic);
    if (keep === undefined && own === undefined) return outlet.send(this.client.id, frames, turn);
    outlet.publish(topic, frames, keep === undefined ? {} : { keep });
    if (own !== undefined) own.push(frames);
    else if (turn !== undefined) turn.toOwn = new Map([...(turn.toOwn ?? []), [topic, [frames]]]);
  }

  /** The socket leaves its room before it could get there what this turn has for it. */
  sendOwn(turn: RunningTurn): void {
    for (const frames of turn.toOwn?.get(this.place.topic(this.id)) ?? []) turn.conn.send(frames);
  }

  /** The client has emitted an event. @param args its name and its arguments. @param id of the acknowledgement that it wants. */
  received(args: unknown[], id: number | undefined): unknown {
    if (id !== undefined) args.push(this.acknowledgement(id));
    if (this.middlewares.length === 0) return this.dispatch(args);
    const checking = through(this.middlewares, (middleware, next) => middleware(args, next));
    return checking.then((error) => (error === undefined ? this.dispatch(args) : this.notify("error", [error])));
  }

  private dispatch(args: unknown[]): unknown {
    const any = this.anyListeners.map((listener): unknown => listener(...args));
    const own = this.notify(String(args[0]), args.slice(1));
    return any.length === 0 ? own : allOf([...any, own]);
  }

  /** The function that a listener acknowledges an event with: the first call counts. */
  private acknowledgement(id: number): (...args: unknown[]) => void {
    let isSent = false;
    return (...args) => {
      if (!isSent) this.packet(packetType.ack, args, id);
      isSent = true;
    };
  }

  /** Calls all listeners of an event. @returns what has to be waited for. */
  notify(event: string, args: readonly unknown[]): unknown {
    const listeners = this.rawListeners(event);
    if (listeners.length === 1) return listeners[0]?.apply(this, args as unknown[]);
    return allOf(listeners.map((listener) => listener.apply(this, args as unknown[])));
  }

  /** The client has called a callback, or it is too late. Unknown ones are ignored: the client may have made them up. */
  acknowledged(id: string, args: readonly unknown[], error?: Error): unknown {
    const { acks } = this.state();
    const ack = Object.hasOwn(acks, id) ? acks[id] : undefined;
    if (ack === undefined) return undefined;
    delete acks[id];
    const listener = this.callbacks.get(ack.callback);
    return ack.at === undefined ? listener?.(...args) : listener?.(error ?? null, ...args);
  }

  private expectAck(callback: string): number {
    const { timeoutMs } = this;
    const state = this.state();
    state.acks[++state.lastAck] = timeoutMs === undefined ? { callback } : { callback, at: Math.ceil(Date.now() + timeoutMs) };
    // The oldest is given up: its client does not answer.
    if (Object.keys(state.acks).length > ackLimit) delete state.acks[Object.keys(state.acks)[0] ?? ""];
    if (timeoutMs !== undefined) this.client.awaitAcks(this.turn());
    return state.lastAck;
  }

  /** @returns its turn, if this is one. If not, `order` tells the socket to do it in one; in a rerun nothing happens. */
  private own(order: (socket: BroadcastOperator<Data>) => void): RunningTurn | undefined {
    const turn = currentTurn();
    if (turn?.conn.id === this.client.id) return turn.isRerun ? undefined : turn;
    order(new BroadcastOperator(this.place, { rooms: [this.id], except: [] }));
    return undefined;
  }

  private turn(): RunningTurn {
    const turn = currentTurn();
    if (turn?.conn.id === this.client.id) return turn;
    throw new CodedError(
      "turn.over",
      "socket.data, socket.rooms and callbacks are of the listeners of their own socket, until these are over: take what a timer needs of them before you set it, and emit with io.to(socket.id).emit(…) in it",
    );
  }

  private state(): SocketState {
    const state = this.turn().state.sockets[this.place.name];
    if (state?.id !== this.id) throw new Error(`socket ${this.id} is disconnected`);
    return state;
  }
}
