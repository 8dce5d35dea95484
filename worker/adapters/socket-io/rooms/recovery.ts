// Connection state recovery: what a socket was is kept for when its client comes back, and what it has missed is sent then. Each event is
// kept by the topic of its room and delivered in the order in which it was stored, over all rooms, so that the last one that a client
// has seen tells those that it has not.
// Source: Socket.IO's documentation, "Connection state recovery".

import { createHash, randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { deserialize, serialize } from "node:v8";
import type { HistoryEntry } from "../../../handler.ts";
import { type EngineOptions, heartbeatOf } from "../../engine-io/engine.ts";
import type { RunningTurn, SocketState } from "../protocol/turn.ts";
import { isMeant, type Order, type Place } from "./broadcast.ts";
import { isSentBy, type Keep, offsetOf, timeOf } from "./offset.ts";

export interface RecoveryOptions {
  /** How long a client may be away, in ms: 120,000. With `pingInterval`, `pingTimeout` and 5 s, at most 31 days. */
  readonly maxDisconnectionDuration?: number;
  /** Whether `io.use` is left out for a socket that is recovered: true. */
  readonly skipMiddlewares?: boolean;
}

/** A socket as it was, and what it has missed. */
export interface Recovered {
  readonly state: KeptState;
  readonly rooms: readonly string[];
  /** In order. */
  readonly missed: readonly string[];
  /** From where on a topic has what is not among them. */
  after(topic: string): string;
}

/** What is kept of a socket whose connection has broken. */
interface Kept {
  readonly user: string | undefined;
  readonly rooms: readonly string[];
  readonly state: KeptState;
}

/** Its client tells `auth` again, which may be a secret. */
type KeptState = Omit<SocketState, "auth">;

/** As much as a topic keeps, and as app.history reads. */
const last = 1_000;
/** As long as topics keep anything: 31 days. */
const longestMs = 31 * 24 * 3600 * 1_000;
/** What is kept is there for longer than it is needed: a turn may be late, and reading takes its time. */
const marginMs = 5_000;
/**
 * A list that has more may be without its oldest entries. app.history reads 512 KiB, or half of NATS' max_payload where that is less, which
 * is not known here: this is safe down to a max_payload of 768 KiB, since an entry that did not fit has at most 256 KiB (offset.ts).
 */
const wholeBytes = 128 * 1024;
/** What is sent to a client that has missed it: all goes out in one turn. */
const missedBytes = 512 * 1024;
/** A client may be back before its old connection's close was heard. Few: anybody can ask, and each reads what is stored. */
const patienceMs = [20, 60, 150, 400];
/** They are in the state: those of a few milliseconds. */
const heardLimit = 100;
const pidPattern = /^[\w-]{32}$/;
/** Source: Socket.IO's server, and its documentation of "disconnect". Others mean that the client, or the server, wanted it. */
const recoverableReasons = ["transport close", "transport error", "ping timeout"];

export class Recovery {
  readonly keep: Keep;
  readonly skipMiddlewares: boolean;
  private readonly durationMs: number;

  constructor({ maxDisconnectionDuration = 120_000, skipMiddlewares = true }: RecoveryOptions, engine: EngineOptions) {
    const { pingInterval, pingTimeout } = heartbeatOf(engine);
    // A connection may have been broken for that long when it is noticed.
    const unnoticedMs = pingInterval + pingTimeout;
    const mostMs = longestMs - unnoticedMs - marginMs;
    if (!(maxDisconnectionDuration > 0 && maxDisconnectionDuration <= mostMs))
      throw new RangeError(`maxDisconnectionDuration is at most ${mostMs} ms, not ${maxDisconnectionDuration}`);
    this.durationMs = maxDisconnectionDuration;
    this.skipMiddlewares = skipMiddlewares;
    this.keep = { messages: last, seconds: Math.ceil((maxDisconnectionDuration + unnoticedMs + marginMs) / 1_000) };
  }

  /** Of a socket that is new. Its `pid` is a secret that only its client knows. */
  begin(): SocketState["recovery"] {
    return { pid: randomBytes(24).toString("base64url"), since: Date.now(), isRecovered: false };
  }

  /** The socket's connection has broken, and it has not left its rooms yet. */
  save(place: Place, reason: string, { conn, state: session }: RunningTurn): void {
    const socket = session.sockets[place.name];
    if (socket?.recovery === undefined || !recoverableReasons.includes(reason)) return;
    const { auth: _, ...state } = socket;
    const kept: Kept = { user: conn.user, rooms: [...place.roomsIn(conn.topics)], state };
    conn.publish(topicOf(place, socket.recovery.pid), serialize(kept), { keep: this.keep });
  }

  /**
   * @param told `pid` and `offset`, as the client tells.
   * @returns undefined where it cannot be recovered, or not without a gap.
   */
  async restore(place: Place, told: Readonly<Record<string, unknown>>, turn: RunningTurn): Promise<Recovered | undefined> {
    const { conn, app } = turn;
    const { pid, offset } = told;
    if (typeof pid !== "string" || !pidPattern.test(pid)) return undefined;
    const taken = await this.take(topicOf(place, pid), turn);
    if (taken === undefined) return undefined;
    const { kept, claim } = taken;
    // Before it is read what was ordered: what comes later is for the handler, from now on.
    conn.subscribe(place.orders, { hook: true });
    await conn.flush();
    const topics = [place.topic(), ...kept.rooms.map((room) => place.topic(room))];
    const [orders, ...rooms] = await Promise.all([place.orders, ...topics].map((topic) => app.history(topic, { last })));
    const missed = missedOf(rooms, orders ?? [], { ...taken, offset, keep: this.keep });
    if (missed === undefined) return undefined;
    // Of the claim's stream: positions of others have another order.
    const endOf = (list: readonly HistoryEntry[] = []) => list.findLast((entry) => epochOf(entry) === epochOf(claim)) ?? claim;
    const ends = new Map(topics.map((topic, index) => [topic, endOf(rooms[index]).position]));
    const { recovery, ...state } = kept.state;
    const heard = missed
      .filter(({ isOrder, number }) => isOrder && number > numberOf(claim.position))
      .map((event) => event.offset)
      .slice(-heardLimit);
    return {
      state: { ...state, ...(recovery && { recovery: { ...recovery, isRecovered: true, heard } }) },
      rooms: kept.rooms,
      missed: missed.map(({ text }) => text),
      after: (topic) => ends.get(topic) ?? claim.position,
    };
  }

  /**
   * What was kept is for the first turn that claims it: the topic has one order for all who do. Not for its connection, which could claim it
   * again when the socket that was recovered has been sent away.
   */
  private async take(
    topic: string,
    { id, conn, app }: RunningTurn,
  ): Promise<{ readonly kept: Kept; readonly claim: HistoryEntry } | undefined> {
    // After the last wait, one that claims, and one that reads whose claim was first.
    for (let tries = 0; tries < patienceMs.length + 2; tries++) {
      const entries = await app.history(topic, { last });
      const at = entries.findLastIndex(({ data }) => data.isBinary);
      const [saved, claim] = [entries[at], entries[at + 1]];
      const kept = saved && (deserialize(saved.data.bytes()) as Kept);
      if (kept !== undefined && kept.user !== conn.user) return undefined;
      if (saved !== undefined && claim?.data.text() === id) {
        const isInTime = claim.at.getTime() - saved.at.getTime() <= this.durationMs && epochOf(claim) === epochOf(saved);
        return kept && isInTime ? { kept, claim } : undefined;
      }
      if (saved !== undefined && claim === undefined) await app.publish(topic, id, { keep: this.keep });
      else {
        const waitMs = patienceMs[tries];
        if (waitMs === undefined) return undefined;
        await pause(waitMs);
      }
    }
    return undefined;
  }
}

/** A topic of its own for what is kept of each socket. It does not tell the secret: topics are seen by whoever watches NATS. */
function topicOf(place: Place, pid: string): string {
  return `recovery ${createHash("sha256").update(`${pid} ${place.topic()}`).digest("base64url")}`;
}

/** An event that a room has got, or that was ordered: see broadcast.ts. */
interface Event {
  readonly text: string;
  readonly offset: string;
  readonly isOrder: boolean;
  /** Its place in the order of all. */
  readonly number: number;
  /** When it was stored, in ms since 1970. */
  readonly at: number;
}

interface Return {
  readonly kept: Kept;
  /** Tells whose it is, and when. */
  readonly claim: HistoryEntry;
  readonly offset: unknown;
  readonly keep: Keep;
}

/** @returns undefined where something may be missing. */
function missedOf(rooms: readonly HistoryEntry[][], orders: readonly HistoryEntry[], back: Return): Event[] | undefined {
  const { kept, claim } = back;
  // Streams of other durations, as of the release before, have another order.
  const isOfStream = (entry: HistoryEntry) => epochOf(entry) === epochOf(claim);
  const own = rooms.flat().filter(isOfStream).flatMap(eventOf);
  const told = new Set(own.map(({ offset }) => offset));
  const inRooms = new Set(kept.rooms);
  const ordered = orders.filter(isOfStream).flatMap((entry) => orderedOf(entry, inRooms));
  // What was ordered while it was there is in its own room, too: in the place in which it got it.
  const all = [...own, ...ordered.filter(({ offset }) => !told.has(offset))].sort((a, b) => a.number - b.number);
  const isNew = newnessOf(all, { ...back, wholeSince: wholeSince([...rooms, orders].flat(), back) });
  if (isNew === undefined || [...rooms, orders].some((list) => isCut(list) && isNew(placeOf(list[0] ?? claim)))) return undefined;
  const missed = all.filter((event) => isNew(event) && !isSentBy(event.offset, kept.state.id));
  return missed.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0) > missedBytes ? undefined : missed;
}

/** From when on, in ms since 1970, all that was emitted is kept, and has one order. */
function wholeSince(entries: readonly HistoryEntry[], { claim, keep }: Return): number {
  const others = entries.filter((entry) => epochOf(entry) !== epochOf(claim));
  return others.reduce((latest, { at }) => Math.max(latest, at.getTime() + 1), claim.at.getTime() - keep.seconds * 1_000 + marginMs);
}

/** What tells those that the client has not seen. undefined: nothing does, or some of them may not be kept any more. */
function newnessOf(
  all: readonly Event[],
  { kept, offset, wholeSince }: Return & { readonly wholeSince: number },
): ((event: Pick<Event, "number" | "at">) => boolean) | undefined {
  const { since = 0 } = kept.state.recovery ?? {};
  const emittedAt = typeof offset === "string" ? timeOf(offset) : 0;
  if (emittedAt === undefined) return undefined;
  // Asked first: what a slow turn emits has the time of then, which may be before the socket was there.
  const seen = all.find((event) => event.offset === offset);
  // It has got nothing yet: clients have no offset then, or one from a socket that they had before.
  const hasNothing = seen === undefined && emittedAt < since;
  if ((seen?.at ?? since) < wholeSince || !(seen || hasNothing)) return undefined;
  // NATS tells `at`, and a worker the other two: clocks of two machines are compared only where nothing else tells.
  const hasOwn = seen !== undefined && emittedAt >= since;
  return ({ number, at }) => number > (seen?.number ?? 0) && (hasOwn || at >= since);
}

function eventOf(entry: HistoryEntry): Event[] {
  const text = entry.data.text();
  const offset = offsetOf(text);
  return offset === undefined ? [] : [{ text, offset, isOrder: false, ...placeOf(entry) }];
}

/** What an order has a socket in these rooms get. */
function orderedOf(entry: HistoryEntry, rooms: ReadonlySet<string>): Event[] {
  const order = entry.data.json() as Order;
  const text = `4${order.emit?.text ?? ""}`;
  const offset = offsetOf(text);
  return offset === undefined || !isMeant(order, rooms) ? [] : [{ text, offset, isOrder: true, ...placeOf(entry) }];
}

function placeOf({ position, at }: HistoryEntry): Pick<Event, "number" | "at"> {
  return { number: numberOf(position), at: at.getTime() };
}

/** Whether there may have been more than app.history has read. */
function isCut(list: readonly HistoryEntry[]): boolean {
  return list.length >= last || list.reduce((sum, { data }) => sum + Buffer.byteLength(data.text()), 0) > wholeBytes;
}

function epochOf({ position }: HistoryEntry): string {
  return position.split(":")[0] ?? "";
}

/** Of one stream. */
function numberOf(position: string): number {
  return Number(position.split(":")[1] ?? 0);
}
