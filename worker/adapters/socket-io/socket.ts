// One client in one namespace, as its listeners see it. The object lasts for as long as its connection is with this worker; what has to
// outlast that is in `data`, in rooms and in callbacks that have names.

import { EventEmitter } from "node:events";
import { BroadcastOperator, framesOf, type Place } from "./broadcast.ts";
import { encodePacket, packetType } from "./packet.ts";
import { currentTurn, NamedCallback, type RunningTurn, type SocketState } from "./turn.ts";

/** What a client has told when it connected. */
export interface Handshake {
  readonly auth: Readonly<Record<string, unknown>>;
  readonly query: Readonly<Record<string, string>>;
  readonly address: string;
  /** When it connected to the namespace, in ms since 1970. */
  readonly issued: number;
}

/** Of anything: what clients send is checked by nobody. */
export type Listener = Parameters<EventEmitter["on"]>[1];
export type Next = (error?: Error & { readonly data?: unknown }) => void;
export type SocketMiddleware = (event: unknown[], next: Next) => unknown;
/** What a socket has its connection do. */
export interface Client {
  /** The connection's. */
  readonly id: string;
  disconnect(socket: { readonly place: Place }, turn: RunningTurn, close: boolean): unknown;
  /** Has callbacks that wait called when their time has come. */
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
  readonly recovered = false;
  readonly middlewares: SocketMiddleware[] = [];
  readonly anyListeners: Listener[] = [];
  private readonly callbacks = new Map<string, Listener>();
  private readonly timeoutMs: number | undefined;

  constructor(place: Place, client: Client, handshake: Handshake, id: string) {
    super();
    this.place = place;
    this.client = client;
    this.handshake = handshake;
    this.id = id;
  }

  /** This connection's own, until it ends: what is changed in it during a turn is stored with the turn. */
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

  get broadcast(): BroadcastOperator<Data> {
    return new BroadcastOperator(this.place, { from: this.client.id });
  }

  get volatile(): this {
    return this;
  }

  compress(_compress: boolean): this {
    return this;
  }

  to(room: string | readonly string[]): BroadcastOperator<Data> {
    return this.broadcast.to(room);
  }

  in(room: string | readonly string[]): BroadcastOperator<Data> {
    return this.to(room);
  }

  except(room: string | readonly string[]): BroadcastOperator<Data> {
    return this.broadcast.except(room);
  }

  /** For the emit that follows: its callback is called with an error if the client has not done so by then. */
  timeout(ms: number): Pick<this, "emit"> {
    return Object.create(this, { timeoutMs: { value: ms } });
  }

  /** Runs for each event before its listeners. Where it calls `next` with an error, listeners of "error" get that instead. */
  use(middleware: SocketMiddleware): this {
    this.middlewares.push(middleware);
    return this;
  }

  onAny(listener: Listener): this {
    this.anyListeners.push(listener);
    return this;
  }

  /**
   * Names what the client may call later to acknowledge an event: `socket.emit("question", text, answered)`. It is called in a turn of its
   * own, perhaps by another worker. @param listener As Socket.IO's own: with `timeout`, its first parameter is an error or null.
   */
  callback(name: string, listener: Listener): NamedCallback {
    this.callbacks.set(name, listener);
    return new NamedCallback(name);
  }

  /** @throws {TypeError} for a function: name it with `callback`. */
  override emit(event: string, ...args: unknown[]): boolean {
    const last = args.at(-1);
    if (typeof last === "function") {
      throw new TypeError(`the callback of ${event} would be lost with this worker: give emit a socket.callback(name, …) instead`);
    }
    if (currentTurn()?.isRerun) return true;
    if (last instanceof NamedCallback) this.packet(packetType.event, [event, ...args.slice(0, -1)], this.expectAck(last.name));
    else this.packet(packetType.event, [event, ...args]);
    return true;
  }

  send(...args: unknown[]): this {
    this.emit("message", ...args);
    return this;
  }

  /** Turns run one at a time: one that waited for the client's next message would never see it. */
  emitWithAck(event: string): never {
    throw new TypeError(`a turn cannot wait for the answer to ${event}, which is a later turn: use socket.callback(name, …)`);
  }

  join(rooms: string | readonly string[]): void {
    const turn = currentTurn();
    if (turn?.isRerun) return;
    if (turn?.conn.id !== this.client.id) return this.own().socketsJoin(rooms);
    for (const room of [rooms].flat()) turn.conn.subscribe(this.place.topic(room), { as: 0 });
  }

  leave(room: string): void {
    const turn = currentTurn();
    if (turn?.isRerun) return;
    if (turn?.conn.id === this.client.id) turn.conn.unsubscribe(this.place.topic(room));
    else this.own().socketsLeave(room);
  }

  /** @param close Whether the whole connection is closed, with its sockets in other namespaces. */
  disconnect(close = false): this {
    const turn = currentTurn();
    if (turn?.isRerun) return this;
    if (turn?.conn.id !== this.client.id) this.own().disconnectSockets(close);
    else this.client.disconnect(this, turn, close);
    return this;
  }

  packet(type: number, data: unknown, id?: number): void {
    this.place.outlet.send(this.client.id, framesOf(encodePacket({ type, nsp: this.place.name, id, data })));
  }

  /** Calls all listeners of an event. @returns what they return, to be waited for. */
  notify(event: string, ...args: unknown[]): unknown[] {
    return this.listeners(event).map((listener) => listener.apply(this, args));
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
    const state = this.state();
    state.lastAck++;
    const { timeoutMs } = this;
    state.acks[state.lastAck] = timeoutMs === undefined ? { callback } : { callback, at: Date.now() + timeoutMs };
    if (timeoutMs !== undefined) this.client.awaitAcks(this.turn());
    return state.lastAck;
  }

  private own(): BroadcastOperator<Data> {
    return new BroadcastOperator(this.place, { rooms: [this.id] });
  }

  private turn(): RunningTurn {
    const turn = currentTurn();
    if (turn?.conn.id === this.client.id) return turn;
    throw new Error("data, rooms and acknowledgements of a socket belong to its own turns: use them in its listeners");
  }

  private state(): SocketState {
    const state = this.turn().state.sockets[this.place.name];
    if (state?.id !== this.id) throw new Error(`socket ${this.id} is disconnected`);
    return state;
  }
}
