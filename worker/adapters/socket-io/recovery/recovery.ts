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
import type { Place } from "../rooms/broadcast.ts";
import { bytesOf, type Entries, FewReads, mostEntries } from "./few-reads.ts";
import { epochOf, isUpToMark, marginMs, missedOf, numberOf, type Ordered, orderedOf, type Returning, relayedLimit } from "./missed.ts";
import { type Keep, offsetOf, receiptOf } from "./offset.ts";

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
  /** Once its own room has a receipt of this, it has all that the socket's connection has put on its way there, or never gets it. */
  readonly end?: string | undefined;
}

type Taken = { readonly kept: Kept } & Pick<Returning, "claim" | "mark" | "beginning">;
/** Its client tells `auth` again, which may be a secret. */
type KeptState = Omit<SocketState, "auth">;

/** As long as topics keep anything: 31 days. */
const longestMs = 31 * 24 * 3600 * 1_000;
/** A client may be back before its old connection's close was heard. Few: anybody can ask, and each reads what is stored. */
const patienceMs = [20, 60, 150, 400];
/** Less than a turn may take: who waits for longer behind others that come back is a new socket. */
const readingMs = 10_000;
/** All that is read for one client: it is in this worker's memory until the last of it has come. */
const readBytes = 4 * 1024 * 1024;
/** They are in the state. Those between claim and mark do come to the handler; a gateway that was cut off from NATS brings older ones, too. */
const heardLimit = 40;
/** The first entry of a socket's own topic. */
const beginning = "new";
const pidPattern = /^[\w-]{32}$/;
/** Source: Socket.IO's server, and its documentation of "disconnect". Others mean that the client, or the server, wanted it. */
const recoverableReasons = ["transport close", "transport error", "ping timeout"];

export class Recovery {
  readonly keep: Keep;
  readonly skipMiddlewares: boolean;
  private readonly durationMs: number;
  private readonly reads = new FewReads();
  /** What was read once for several clients. */
  private readonly parsed = new WeakMap<Entries, readonly Ordered[]>();

  constructor({ maxDisconnectionDuration = 120_000, skipMiddlewares = true }: RecoveryOptions, engine: EngineOptions) {
    const { pingInterval, pingTimeout } = heartbeatOf(engine);
    // A connection may have been broken for that long when it is noticed.
    const unnoticedMs = pingInterval + pingTimeout;
    const mostMs = longestMs - unnoticedMs - marginMs;
    if (!(maxDisconnectionDuration > 0 && maxDisconnectionDuration <= mostMs))
      throw new RangeError(`maxDisconnectionDuration is at most ${mostMs} ms, not ${maxDisconnectionDuration}`);
    this.durationMs = maxDisconnectionDuration;
    this.skipMiddlewares = skipMiddlewares;
    this.keep = { messages: mostEntries, seconds: Math.ceil((maxDisconnectionDuration + unnoticedMs + marginMs) / 1_000) };
  }

  /**
   * Of a socket that is new, and in no room yet. Its `pid` is a secret that only its client knows. From when it is new its own topic tells:
   * for longer than any topic keeps what came before it.
   */
  async begin(place: Place, { app }: RunningTurn): Promise<NonNullable<SocketState["recovery"]>> {
    const pid = randomBytes(24).toString("base64url");
    await app.publish(topicOf(place, pid), beginning, { keep: this.keep });
    return { pid, since: Date.now(), isRecovered: false, passed: "" };
  }

  /** The socket's connection has broken, and it has not left its rooms yet. */
  save(place: Place, reason: string, { conn, state: session }: RunningTurn): void {
    const socket = session.sockets[place.name];
    if (socket?.recovery === undefined || !recoverableReasons.includes(reason)) return;
    const { auth: _, ...state } = socket;
    const isRelaying = socket.recovery.relayed !== undefined;
    const end = isRelaying ? randomBytes(6).toString("base64url") : undefined;
    // Behind all that it has published there.
    if (end !== undefined) conn.publish(place.topic(socket.id), receiptOf(end), { keep: this.keep });
    const kept: Kept = { user: conn.user, rooms: [...place.roomsIn(conn.topics)], state, end };
    conn.publish(topicOf(place, socket.recovery.pid), serialize(kept), { keep: this.keep });
  }

  /** A turn of the socket deals with what was ordered. @returns false where that was dealt with when the socket was recovered. */
  hears({ name }: Place, text: string, turn: RunningTurn): boolean {
    const offset = offsetOf(text);
    const recovery = offset && turn.conn.state.sockets[name]?.recovery && turn.state.sockets[name]?.recovery;
    if (!recovery) return true;
    if (recovery.heard?.includes(offset)) return false;
    // They come in the order in which they were stored, so none of those comes any more.
    delete recovery.heard;
    recovery.passed = offset;
    return true;
  }

  /** A turn of the socket has put an order on its way to its own room, where it is lost if the gateway ends too soon. */
  relayed({ name }: Place, text: string, { state }: RunningTurn): void {
    const offset = offsetOf(text);
    const recovery = offset && state.sockets[name]?.recovery;
    if (recovery) recovery.relayed = [...(recovery.relayed ?? []), offset].slice(-relayedLimit);
  }

  /**
   * @param auth Its `pid` and `offset`, as the client tells.
   * @returns undefined where it cannot be recovered, or not without a gap.
   */
  async restore(place: Place, { pid, offset }: Readonly<Record<string, unknown>>, turn: RunningTurn): Promise<Recovered | undefined> {
    if (typeof pid !== "string" || !pidPattern.test(pid)) return undefined;
    const until = Date.now() + readingMs;
    const taken = await this.take(place, topicOf(place, pid), turn, until);
    if (taken === undefined) return undefined;
    const { kept, claim, mark } = taken;
    const topics = [place.topic(), ...kept.rooms.map((room) => place.topic(room))];
    const histories = await this.readAll([place.orders, ...topics], turn, until);
    if (histories === undefined) return undefined;
    const [ordersRead = [], ...rooms] = histories;
    const orders = this.ordersOf(ordersRead);
    const { recovery, ...state } = kept.state;
    const client = { ...taken, end: kept.end, socketId: state.id, rooms: new Set(kept.rooms), recovery, offset, keep: this.keep };
    const missed = missedOf(rooms, orders, client);
    if (missed === undefined) return undefined;
    const isBefore = (entry: HistoryEntry) => isUpToMark(entry, client);
    const ends = new Map(topics.map((topic, index) => [topic, rooms[index]?.findLast(isBefore)?.position]));
    const ordered = orders.filter(({ entry }) => isBefore(entry));
    if (ordered.filter(({ entry }) => numberOf(entry) > numberOf(claim)).length > heardLimit) return undefined;
    const heard = ordered.slice(-heardLimit).map((each) => each.offset);
    const now = { isRecovered: true, heard, passed: heard.at(-1) ?? "", relayed: undefined };
    return {
      state: { ...state, ...(recovery && { recovery: { ...recovery, ...now } }) },
      rooms: kept.rooms,
      missed: missed.map(({ text }) => text),
      after: (topic) => ends.get(topic) ?? mark.position,
    };
  }

  private ordersOf(entries: Entries): readonly Ordered[] {
    const parsed = this.parsed.get(entries) ?? entries.map(orderedOf);
    this.parsed.set(entries, parsed);
    return parsed;
  }

  /** One after the other: who has many rooms keeps nobody else from theirs. @returns undefined where it takes too long, or is too much. */
  private async readAll(topics: readonly string[], { app }: RunningTurn, until: number): Promise<Entries[] | undefined> {
    const lists: Entries[] = [];
    let bytes = 0;
    for (const topic of topics) {
      const entries = await this.reads.read(app, topic, until);
      if (entries === undefined) return undefined;
      bytes += bytesOf(entries);
      if (bytes > readBytes) return undefined;
      lists.push(entries);
    }
    return lists;
  }

  /**
   * What was kept is for the first turn that claims it: the topic has one order for all who do. Not for its connection, which could claim it
   * again when the socket that was recovered has been sent away.
   */
  private async take(place: Place, topic: string, turn: RunningTurn, until: number): Promise<Taken | undefined> {
    const { id, conn, app } = turn;
    // After the last wait, one that claims, and one that reads whose claim was first.
    for (let tries = 0; tries < patienceMs.length + 2; tries++) {
      const entries = await this.reads.read(app, topic, until);
      if (entries === undefined) return undefined;
      const at = entries.findLastIndex(({ data }) => data.isBinary);
      const [saved, claim] = [entries[at], entries[at + 1]];
      const mark = entries.slice(at + 2).find(({ data }) => data.text() === markOf(id));
      const kept = saved && (deserialize(saved.data.bytes()) as Kept);
      if (kept !== undefined && kept.user !== conn.user) return undefined;
      const isOwn = claim?.data.text() === id;
      if (saved !== undefined && isOwn && mark !== undefined) {
        const isInTime = claim.at.getTime() - saved.at.getTime() <= this.durationMs;
        const isOneStream = [saved, mark].every((entry) => epochOf(entry) === epochOf(claim));
        const begun = entries.find((entry) => entry.data.text() === beginning && epochOf(entry) === epochOf(claim));
        return kept && isInTime && isOneStream ? { kept, claim, mark, beginning: begun } : undefined;
      }
      if (saved !== undefined && (isOwn || claim === undefined)) await this.claim(place, topic, turn, isOwn);
      else if (tries < patienceMs.length) await pause(patienceMs[tries]);
      else return undefined;
    }
    return undefined;
  }

  /** Whatever is ordered behind the mark comes to the handler; of what is ordered between the claim and that, some. */
  private async claim(place: Place, topic: string, { id, conn, app }: RunningTurn, isClaimed: boolean): Promise<void> {
    if (!isClaimed) await app.publish(topic, id, { keep: this.keep });
    conn.subscribe(place.orders, { hook: true });
    await conn.flush();
    await app.publish(topic, markOf(id), { keep: this.keep });
  }
}

function markOf(turnId: string): string {
  return `mark ${turnId}`;
}

/** A topic of its own for what is kept of each socket. It does not tell the secret: topics are seen by whoever watches NATS. */
function topicOf(place: Place, pid: string): string {
  return `recovery ${createHash("sha256").update(`${pid} ${place.topic()}`).digest("base64url")}`;
}
