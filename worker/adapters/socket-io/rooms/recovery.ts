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
import type { Place } from "./broadcast.ts";
import { epochOf, marginMs, missedOf, mostEntries, noneYet, numberOf, offsetOfOrder, type Returning } from "./missed.ts";
import { type Keep, offsetOf } from "./offset.ts";

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

interface Taken extends Pick<Returning, "claim" | "beginning"> {
  readonly kept: Kept;
}

/** Its client tells `auth` again, which may be a secret. */
type KeptState = Omit<SocketState, "auth">;

/** As long as topics keep anything: 31 days. */
const longestMs = 31 * 24 * 3600 * 1_000;
/** A client may be back before its old connection's close was heard. Few: anybody can ask, and each reads what is stored. */
const patienceMs = [20, 60, 150, 400];
/** They are in the state: those of a few milliseconds. */
const heardLimit = 100;
/** The first entry of a socket's own topic. */
const beginning = "new";
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
    this.keep = { messages: mostEntries, seconds: Math.ceil((maxDisconnectionDuration + unnoticedMs + marginMs) / 1_000) };
  }

  /**
   * Of a socket that is new. Its `pid` is a secret that only its client knows. From when it is new its own topic tells, as long as that keeps
   * it: longer than whatever came to its rooms before it. To be called before it is in any.
   */
  async begin(place: Place, { app }: RunningTurn): Promise<SocketState["recovery"]> {
    const pid = randomBytes(24).toString("base64url");
    await app.publish(topicOf(place, pid), beginning, { keep: this.keep });
    return { pid, since: Date.now(), isRecovered: false, passed: noneYet };
  }

  /** The socket's connection has broken, and it has not left its rooms yet. */
  save(place: Place, reason: string, { conn, state: session }: RunningTurn): void {
    const socket = session.sockets[place.name];
    if (socket?.recovery === undefined || !recoverableReasons.includes(reason)) return;
    const { auth: _, ...state } = socket;
    const kept: Kept = { user: conn.user, rooms: [...place.roomsIn(conn.topics)], state };
    conn.publish(topicOf(place, socket.recovery.pid), serialize(kept), { keep: this.keep });
  }

  /** A turn of the socket deals with what was ordered. @returns false where that was dealt with when the socket was recovered. */
  hears({ name }: Place, text: string, turn: RunningTurn): boolean {
    const offset = offsetOf(text);
    if (offset === undefined || turn.conn.state.sockets[name]?.recovery === undefined) return true;
    const { recovery } = turn.state.sockets[name] ?? {};
    if (recovery?.heard?.includes(offset)) return false;
    if (recovery !== undefined) recovery.passed = offset;
    return true;
  }

  /**
   * @param auth Its `pid` and `offset`, as the client tells.
   * @returns undefined where it cannot be recovered, or not without a gap.
   */
  async restore(place: Place, { pid, offset }: Readonly<Record<string, unknown>>, turn: RunningTurn): Promise<Recovered | undefined> {
    if (typeof pid !== "string" || !pidPattern.test(pid)) return undefined;
    const taken = await this.take(topicOf(place, pid), turn);
    if (taken === undefined) return undefined;
    const { kept, claim } = taken;
    // Before it is read what was ordered: what comes later is for the handler, from now on.
    turn.conn.subscribe(place.orders, { hook: true });
    await turn.conn.flush();
    const topics = [place.topic(), ...kept.rooms.map((room) => place.topic(room))];
    const [orders = [], ...rooms] = await Promise.all(
      [place.orders, ...topics].map((topic) => turn.app.history(topic, { last: mostEntries })),
    );
    const { recovery, ...state } = kept.state;
    const client = { ...taken, socketId: state.id, rooms: new Set(kept.rooms), recovery, offset, keep: this.keep };
    const missed = missedOf({ rooms, orders }, client);
    if (missed === undefined) return undefined;
    // Of the claim's stream: positions of others have another order.
    const isOfStream = (entry: HistoryEntry) => epochOf(entry) === epochOf(claim);
    const ends = new Map(topics.map((topic, index) => [topic, (rooms[index]?.findLast(isOfStream) ?? claim).position]));
    const dealtWith = orders.filter(isOfStream).map((entry) => ({ number: numberOf(entry), offset: offsetOfOrder(entry) ?? noneYet }));
    const heard = dealtWith.filter(({ number }) => number > numberOf(claim)).map((each) => each.offset);
    const passed = dealtWith.at(-1)?.offset ?? noneYet;
    return {
      state: { ...state, ...(recovery && { recovery: { ...recovery, isRecovered: true, heard: heard.slice(-heardLimit), passed } }) },
      rooms: kept.rooms,
      missed: missed.map(({ text }) => text),
      after: (topic) => ends.get(topic) ?? claim.position,
    };
  }

  /**
   * What was kept is for the first turn that claims it: the topic has one order for all who do. Not for its connection, which could claim it
   * again when the socket that was recovered has been sent away.
   */
  private async take(topic: string, { id, conn, app }: RunningTurn): Promise<Taken | undefined> {
    // After the last wait, one that claims, and one that reads whose claim was first.
    for (let tries = 0; tries < patienceMs.length + 2; tries++) {
      const entries = await app.history(topic, { last: mostEntries });
      const at = entries.findLastIndex(({ data }) => data.isBinary);
      const [saved, claim] = [entries[at], entries[at + 1]];
      const kept = saved && (deserialize(saved.data.bytes()) as Kept);
      if (kept !== undefined && kept.user !== conn.user) return undefined;
      if (saved !== undefined && claim?.data.text() === id) {
        const isInTime = claim.at.getTime() - saved.at.getTime() <= this.durationMs && epochOf(claim) === epochOf(saved);
        const begun = entries.find((entry) => entry.data.text() === beginning && epochOf(entry) === epochOf(claim));
        return kept && isInTime ? { kept, claim, beginning: begun } : undefined;
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
