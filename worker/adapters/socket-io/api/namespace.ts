// Namespaces: what the application registers for their sockets, and where it emits to all of them.

import type { Outlet } from "../protocol/turn.ts";
import type { Recovery } from "../recovery/recovery.ts";
import { BroadcastOperator, Place } from "../rooms/broadcast.ts";
import type { Next } from "./middleware.ts";
import type { Socket } from "./socket.ts";

export class Namespace<Data = Record<string, unknown>> extends BroadcastOperator<Data> {
  readonly middlewares: Array<(socket: Socket<Data>, next: Next) => unknown> = [];
  readonly listeners: Array<(socket: Socket<Data>) => unknown> = [];

  get name(): string {
    return this.place.name;
  }

  /** Runs before a socket connects. An error given to `next` refuses it: the client gets `connect_error` with its message and `data`. */
  use(middleware: (socket: Socket<Data>, next: Next) => unknown): this {
    this.middlewares.push(middleware);
    return this;
  }

  /**
   * The listener runs when a socket has connected, and again in each worker that takes its connection over: then it only registers
   * listeners, and what it emits, joins, leaves or changes is left out, since it has happened. `socket.isNew` tells.
   */
  on(event: "connection" | "connect", listener: (socket: Socket<Data>) => unknown): this {
    if (event !== "connection" && event !== "connect") throw new TypeError(`a namespace has no event ${event}: its event is connection`);
    this.listeners.push(listener);
    return this;
  }
}

/** More than a socket's id has, which is the name of a room. */
const socketIdBytes = 64;

/** What serves a namespace that a client names: by its own name, or by a pattern. */
export interface Found<Data> {
  readonly nsp: Namespace<Data>;
  readonly place: Place;
}

/** `io`: the main namespace, and the way to the others. */
export class Server<Data = Record<string, unknown>> extends Namespace<Data> {
  private readonly path: string;
  private readonly namespaces = new Map<string, Namespace<Data>>([["/", this]]);
  private readonly patterns: Array<readonly [RegExp, Namespace<Data>]> = [];

  /** undefined: sockets are not recovered. */
  readonly recovery: Recovery | undefined;

  constructor(path: string, outlet: Outlet, recovery?: Recovery) {
    super(new Place(path, "/", outlet));
    this.path = path;
    this.recovery = recovery;
  }

  /** The main namespace, as it was called before there were others. */
  get sockets(): Namespace<Data> {
    return this;
  }

  /** @param name With a RegExp: all that match have its middlewares and listeners. Emit to one of them by its name. */
  of(name: string | RegExp): Namespace<Data> {
    const text = typeof name === "string" && !name.startsWith("/") ? `/${name}` : `${name}`;
    const known = this.namespaces.get(text) ?? new Namespace<Data>(new Place(this.path, text, this.place.outlet));
    if (typeof name === "string") this.namespaces.set(text, known);
    else this.patterns.push([name, known]);
    return known;
  }

  /** @returns undefined where nobody serves it, or where its name is too long for its sockets to have rooms of their own. */
  find(name: string): Found<Data> | undefined {
    const named = this.namespaces.get(name);
    const nsp = this.patterns.find(([pattern]) => pattern.test(name))?.[1];
    const listened = named !== undefined && (named.listeners.length > 0 || nsp === undefined) ? named : nsp;
    const place = named?.place ?? new Place(this.path, name, this.place.outlet);
    return listened && place.roomBytes >= socketIdBytes ? { nsp: listened, place } : undefined;
  }
}
