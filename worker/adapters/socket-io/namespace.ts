// A namespace: what the application registers for its sockets, and where it emits to all of them.

import { BroadcastOperator, Place } from "./broadcast.ts";
import type { Next, Socket } from "./socket.ts";
import type { Outlet } from "./turn.ts";

export type Middleware<Data> = (socket: Socket<Data>, next: Next) => unknown;
export type ConnectionListener<Data> = (socket: Socket<Data>) => unknown;

export class Namespace<Data = Record<string, unknown>> extends BroadcastOperator<Data> {
  readonly middlewares: Middleware<Data>[] = [];
  readonly listeners: ConnectionListener<Data>[] = [];

  get name(): string {
    return this.place.name;
  }

  /** Runs before a socket connects. An error given to `next` refuses it: the client gets `connect_error` with its message and `data`. */
  use(middleware: Middleware<Data>): this {
    this.middlewares.push(middleware);
    return this;
  }

  /**
   * The listener runs when a socket has connected, and again in each worker that takes its connection over: then it only registers
   * listeners, and what it emits, joins, leaves or changes is left out, since it has happened. `socket.isNew` tells.
   */
  on(event: "connection" | "connect", listener: ConnectionListener<Data>): this {
    if (event !== "connection" && event !== "connect") throw new TypeError(`a namespace has no event ${event}: its event is connection`);
    this.listeners.push(listener);
    return this;
  }

  send(...args: unknown[]): this {
    this.emit("message", ...args);
    return this;
  }
}

export interface Found<Data> {
  readonly nsp: Namespace<Data>;
  readonly place: Place;
}

/** `io`: the main namespace, and the way to the others. */
export class Server<Data = Record<string, unknown>> extends Namespace<Data> {
  private readonly path: string;
  private readonly namespaces = new Map<string, Namespace<Data>>();
  private readonly patterns: Array<{ readonly matches: RegExp; readonly nsp: Namespace<Data> }> = [];

  constructor(path: string, outlet: Outlet) {
    super(new Place(path, "/", outlet));
    this.path = path;
    this.namespaces.set("/", this);
  }

  get sockets(): Namespace<Data> {
    return this;
  }

  /** @param name With a RegExp: all that match have its middlewares and listeners. Emit to one of them by its name. */
  of(name: string | RegExp): Namespace<Data> {
    const text = typeof name === "string" && !name.startsWith("/") ? `/${name}` : name;
    const known = typeof text === "string" ? this.namespaces.get(text) : undefined;
    if (known !== undefined) return known;
    const nsp = new Namespace<Data>(new Place(this.path, String(text), this.place.outlet));
    if (typeof text === "string") this.namespaces.set(text, nsp);
    else this.patterns.push({ matches: text, nsp });
    return nsp;
  }

  /** What serves a client's namespace, by its name or a pattern. */
  find(name: string): Found<Data> | undefined {
    const nsp = this.namespaces.get(name) ?? this.patterns.find(({ matches }) => matches.test(name))?.nsp;
    return nsp && { nsp, place: nsp.name === name ? nsp.place : new Place(this.path, name, this.place.outlet) };
  }
}
