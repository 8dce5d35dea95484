// Who gets what is emitted, and how it gets there: a room is a topic, and an emit to it is one publish, encoded once. What a topic cannot
// say (several rooms, all but a room, join them to another) is published to the sockets' own turns instead: each finds out whether it is meant.

import { CodedError, topicLimitBytes } from "../../../adapter.ts";
import { together } from "../../../handler.ts";
import { checkEventName, type EncodedPacket } from "../protocol/packet.ts";
import { currentTurn, NamedCallback, type Outlet, type SocketState } from "../protocol/turn.ts";
import { encodeEvent, type Keep } from "../recovery/offset.ts";

export type Rooms = string | readonly string[];

/** A namespace as publishes see it. */
export class Place {
  readonly name: string;
  readonly outlet: Outlet;
  /** The topic of what sockets are told to do. */
  readonly orders: string;
  /** What is left of a topic for the name of a room, in bytes of UTF-8. */
  readonly roomBytes: number;
  private readonly prefix: string;

  /** @param path of the handler: others have topics of their own. A comma ends a namespace's name in a packet, so it has none. */
  constructor(path: string, name: string, outlet: Outlet) {
    this.name = name;
    this.outlet = outlet;
    this.orders = `orders ${path},${name}`;
    this.prefix = `${path},${name}`;
    this.roomBytes = topicLimitBytes - Buffer.byteLength(this.prefix) - 1;
  }

  /** @param room undefined: all sockets of the namespace. @throws {CodedError} "topic.invalid" where its name is too long. */
  topic(room?: string): string {
    if (room === undefined) return this.prefix;
    const bytes = Buffer.byteLength(room);
    if (bytes <= this.roomBytes) return `${this.prefix},${room}`;
    throw new CodedError("topic.invalid", `a room of ${this.name} has a name of at most ${this.roomBytes} bytes of UTF-8, not ${bytes}`);
  }

  roomsIn(topics: ReadonlySet<string>): Set<string> {
    const start = `${this.prefix},`;
    return new Set([...topics].filter((topic) => topic.startsWith(start)).map((topic) => topic.slice(start.length)));
  }
}

/** Whom it is for: sockets that are in one of `rooms` (of none: all), in none of `except`, and not of the connection `from`. */
interface Scope {
  readonly rooms: readonly string[];
  readonly except: readonly string[];
  readonly from?: string | undefined;
  /** The socket of that connection. */
  readonly sender?: string | undefined;
  readonly isVolatile?: boolean | undefined;
}

/** What is published to the turns of all sockets of a namespace. */
export interface Order extends Scope {
  /** Attachments as base64. */
  readonly emit?: { readonly text: string; readonly attachments: readonly string[] };
  readonly join?: readonly string[];
  readonly leave?: readonly string[];
  /** Whether the whole connection is closed. */
  readonly disconnect?: boolean;
}

/** Whether an order is for a socket that is in these rooms. */
export function isMeant({ rooms, except }: Pick<Order, "rooms" | "except">, own: ReadonlySet<string>): boolean {
  return (rooms.length === 0 || rooms.some((room) => own.has(room))) && !except.some((room) => own.has(room));
}

/** As many ids as a publish leaves out, without the emitter's own. */
const exceptLimit = 99;

/** The frame of one packet, or the frames that stay together. */
export function framesOf({ text, attachments }: EncodedPacket) {
  return attachments.length === 0 ? `4${text}` : together(`4${text}`, ...attachments);
}

export class BroadcastOperator<Data> {
  readonly place: Place;
  private readonly scope: Scope;

  constructor(place: Place, scope: Scope = { rooms: [], except: [] }) {
    this.place = place;
    this.scope = scope;
  }

  to(rooms: Rooms): BroadcastOperator<Data> {
    return new BroadcastOperator(this.place, { ...this.scope, rooms: [...this.scope.rooms, ...namesOf(rooms)] });
  }

  in(rooms: Rooms): BroadcastOperator<Data> {
    return this.to(rooms);
  }

  except(rooms: Rooms): BroadcastOperator<Data> {
    return new BroadcastOperator(this.place, { ...this.scope, except: [...this.scope.except, ...namesOf(rooms)] });
  }

  socketsJoin(rooms: Rooms): void {
    this.order({ join: namesOf(rooms) });
  }

  socketsLeave(rooms: Rooms): void {
    this.order({ leave: namesOf(rooms) });
  }

  disconnectSockets(close = false): void {
    this.order({ disconnect: close });
  }

  /** It is not kept for those who are away. The gateway bounds what waits for a slow client: there is nothing else to drop. */
  get volatile(): BroadcastOperator<Data> {
    return new BroadcastOperator(this.place, { ...this.scope, isVolatile: true });
  }

  /** @throws {TypeError} for a callback. @throws {Error} for a reserved name. */
  emit(event: string, ...args: unknown[]): true {
    checkEventName(event);
    if (typeof args.at(-1) === "function" || args.at(-1) instanceof NamedCallback)
      throw new TypeError("what is emitted to many is not acknowledged: emit to each socket with a callback of socket.callback(name, …)");
    const { rooms, except, from, sender, isVolatile } = this.scope;
    const { outlet, name } = this.place;
    // A socket that was recovered has an id of the connection that it had before.
    const left = outlet.keep === undefined ? except.map(connectionOf).filter((id) => id !== undefined) : [];
    const isOnePublish = rooms.length <= 1 && left.length === except.length && left.length <= exceptLimit;
    const { packet, keep } = encodeEvent(name, [event, ...args], { recovery: outlet.keep, isKept: !isVolatile, sender });
    if (isOnePublish) outlet.publish(this.place.topic(rooms[0]), framesOf(packet), { from, except: left, ...(keep && { keep }) });
    else this.order({ emit: { ...packet, attachments: packet.attachments.map((bytes) => Buffer.from(bytes).toString("base64")) } }, keep);
    return true;
  }

  /** Those of all gateways; `data` as of its last change, undefined where it has more than 1 KiB of JSON. */
  async fetchSockets() {
    const { rooms, except, from } = this.scope;
    const members = <Info>(room?: string) => (currentTurn()?.conn ?? this.place.outlet.started).members<Info>(this.place.topic(room));
    const ids = async (list: readonly string[]) =>
      new Set((await Promise.all(list.map((room) => members(room)))).flat().map(({ id }) => id));
    const [all, inRooms, left] = await Promise.all([members<{ id: string; data?: Data }>(), ids(rooms), ids(except)]);
    const met = all.filter(({ id }) => id !== from && (rooms.length === 0 || inRooms.has(id)) && !left.has(id));
    return met.map(({ info: { id, data } }) => {
      const one = new BroadcastOperator<Data>(this.place, { rooms: [id], except: [] });
      const { socketsJoin, socketsLeave, disconnectSockets } = one;
      const own = { join: socketsJoin.bind(one), leave: socketsLeave.bind(one), disconnect: disconnectSockets.bind(one) };
      return Object.assign(one, { id, data, ...own });
    });
  }

  private order(what: Partial<Order>, keep?: Keep): void {
    // Whoever asks for a room that cannot be is told, and not each socket that would go there.
    for (const room of [...(what.join ?? []), ...(what.leave ?? [])]) this.place.topic(room);
    this.place.outlet.publish(this.place.orders, { ...this.scope, ...what }, keep === undefined ? {} : { keep });
  }
}

/** Clients choose rooms, and may leave one out: that is a room that nobody is in, as in Socket.IO, and not everybody. */
export function namesOf(rooms: Rooms): string[] {
  return [rooms].flat().map(String);
}

/** The connection of a socket's id: `<connection>.<random>`. undefined: it is the name of another room. */
function connectionOf(id: string): string | undefined {
  return /^([a-z0-9]+-[0-9a-z]+-[0-9a-z]+)\.[\w-]{8}$/i.exec(id)?.[1];
}

/** As much as is told of a member. */
const memberBytes = 1024;

/** Without data that has no JSON, or too much of it. */
export function memberInfo({ id, data }: SocketState): object {
  try {
    return Buffer.byteLength(JSON.stringify({ id, data })) > memberBytes ? { id } : { id, data };
  } catch {
    return { id };
  }
}
