// Who gets what is emitted, and how it gets there: a room is a topic, and an emit to it is one publish, encoded once. What a topic cannot
// say (several rooms, all but a room, join them to another) is published to the sockets' own turns instead: each finds out whether it is meant.

// SHIM
const together = (text: string, ...rest: readonly Uint8Array[]): string => text + rest.length;

import { type EncodedPacket, encodePacket, packetType } from "./packet.ts";
import { currentTurn, NamedCallback, type Outlet } from "./turn.ts";

/** A namespace as publishes see it. */
export class Place {
  readonly name: string;
  readonly outlet: Outlet;
  /** Where orders are published. */
  readonly orders: string;
  private readonly path: string;

  /** @param path of the handler: others have topics of their own. A comma ends a namespace's name in a packet, so it has none. */
  constructor(path: string, name: string, outlet: Outlet) {
    this.path = path;
    this.name = name;
    this.outlet = outlet;
    this.orders = `orders ${path},${name}`;
  }

  /** @param room undefined: all sockets of the namespace. */
  topic(room?: string): string {
    return room === undefined ? `${this.path},${this.name}` : `${this.path},${this.name},${room}`;
  }

  /** @param topics of a connection. */
  roomsIn(topics: ReadonlySet<string>): Set<string> {
    const prefix = this.topic("");
    return new Set([...topics].filter((topic) => topic.startsWith(prefix)).map((topic) => topic.slice(prefix.length)));
  }
}

/** What is told to the turns of all sockets of a namespace. Those are meant that are in one of `rooms` (of none: all), and in none of `except`. */
export interface Order {
  readonly rooms: readonly string[];
  readonly except: readonly string[];
  /** The id of the connection that is not meant. */
  readonly from?: string | undefined;
  /** Base64 where an attachment is. */
  readonly emit?: { readonly text: string; readonly attachments: readonly string[] };
  readonly join?: readonly string[];
  readonly leave?: readonly string[];
  /** Whether the whole connection is closed. */
  readonly disconnect?: boolean;
}

/** As others see a socket, wherever it is. */
export interface RemoteSocket<Data> {
  readonly id: string;
  /** As of its last change; undefined where it has more than 1 KiB of JSON. */
  readonly data: Data | undefined;
  emit(event: string, ...args: unknown[]): boolean;
  join(rooms: string | readonly string[]): void;
  leave(room: string): void;
  disconnect(close?: boolean): void;
}

interface Scope {
  readonly rooms: readonly string[];
  readonly except: readonly string[];
  /** The connection of the socket that emits. */
  readonly from: string | undefined;
}

/** As many ids as a publish may leave out. */
const exceptLimit = 99;

/** The frame, or the frames that stay together, of one packet. */
export function framesOf({ text, attachments }: EncodedPacket) {
  return attachments.length === 0 ? `4${text}` : together(`4${text}`, ...attachments);
}

export class BroadcastOperator<Data> {
  readonly place: Place;
  private readonly scope: Scope;

  constructor(place: Place, scope: Partial<Scope> = {}) {
    this.place = place;
    this.scope = { rooms: [], except: [], from: undefined, ...scope };
  }

  to(room: string | readonly string[]): BroadcastOperator<Data> {
    return new BroadcastOperator(this.place, { ...this.scope, rooms: [...this.scope.rooms, ...[room].flat()] });
  }

  in(room: string | readonly string[]): BroadcastOperator<Data> {
    return this.to(room);
  }

  except(room: string | readonly string[]): BroadcastOperator<Data> {
    return new BroadcastOperator(this.place, { ...this.scope, except: [...this.scope.except, ...[room].flat()] });
  }

  /** The gateway bounds what waits for a slow client: there is nothing to drop here. */
  get volatile(): this {
    return this;
  }

  compress(_compress: boolean): this {
    return this;
  }

  emit(event: string, ...args: unknown[]): true {
    const { rooms, except, from } = this.scope;
    const encoded = encodePacket({ type: packetType.event, nsp: this.place.name, data: [event, ...withoutCallback(args)] });
    const left = except.map(connectionOf);
    if (rooms.length <= 1 && left.length <= exceptLimit && left.every((id) => id !== undefined)) {
      this.place.outlet.publish(this.place.topic(rooms[0]), framesOf(encoded), { from, except: left });
    } else {
      const { text, attachments } = encoded;
      this.order({ emit: { text, attachments: attachments.map((bytes) => Buffer.from(bytes).toString("base64")) } });
    }
    return true;
  }

  socketsJoin(rooms: string | readonly string[]): void {
    this.order({ join: [rooms].flat() });
  }

  socketsLeave(rooms: string | readonly string[]): void {
    this.order({ leave: [rooms].flat() });
  }

  disconnectSockets(close = false): void {
    this.order({ disconnect: close });
  }

  async fetchSockets(): Promise<RemoteSocket<Data>[]> {
    const { rooms, except, from } = this.scope;
    const members = <Info>(room?: string) => (currentTurn()?.conn ?? this.place.outlet.started).members<Info>(this.place.topic(room));
    const idsIn = async (list: readonly string[]) =>
      new Set((await Promise.all(list.map((room) => members(room)))).flat().map(({ id }) => id));
    const [all, inRooms, left] = await Promise.all([members<{ id: string; data?: Data }>(), idsIn(rooms), idsIn(except)]);
    const met = all.filter(({ id }) => id !== from && (rooms.length === 0 || inRooms.has(id)) && !left.has(id));
    return met.map(({ info: { id, data } }) => {
      const one = new BroadcastOperator<Data>(this.place, { rooms: [id] });
      return {
        ...{ id, data, emit: (event, ...args) => one.emit(event, ...args), join: (list) => one.socketsJoin(list) },
        ...{ leave: (room) => one.socketsLeave(room), disconnect: (close) => one.disconnectSockets(close) },
      };
    });
  }

  private order(what: Partial<Order>): void {
    this.place.outlet.publish(this.place.orders, { ...this.scope, ...what }, {});
  }
}

/** The connection of a socket's id: `<connection>.<random>`. undefined: it is the name of another room. */
export function connectionOf(id: string): string | undefined {
  return /^([a-z0-9]+-[0-9a-z]+-[0-9a-z]+)\.[\w-]{8}$/i.exec(id)?.[1];
}

/** A closure would not outlive this worker, and many clients would call it. */
function withoutCallback(args: readonly unknown[]): readonly unknown[] {
  const last = args.at(-1);
  if (typeof last !== "function" && !(last instanceof NamedCallback)) return args;
  throw new TypeError("what is emitted to many cannot be acknowledged: emit to each socket with a callback of socket.callback(name, …)");
}
