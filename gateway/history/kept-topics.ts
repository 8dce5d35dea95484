// What is kept, on its way to this gateway's subscribers: NATS publishes it to its topic as it is stored. What a fault swallowed is read
// from the stream. And who subscribes with `last` gets what a topic has kept until then, read once for all who ask for it.

import type { BusMessage } from "../../protocol/bus.ts";
import { type HistoryEntry, type HistoryStore, parsePosition } from "../../protocol/history.ts";
import { KeptTopic } from "./kept-topic.ts";
import { parseLive } from "./live-message.ts";
import { type Patience, persist } from "./persist.ts";

export interface KeptTopicsOptions extends Patience {
  readonly store: Pick<HistoryStore, "read" | "ends" | "replay">;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  /** To its subscribers here. */
  readonly deliver: (topic: string, entry: HistoryEntry) => void;
  /** When the first subscriber here wanted it, by the wall clock; undefined: nobody does. */
  readonly wantedAt: (topic: string) => number | undefined;
  /** Read each time. */
  readonly limits: KeptTopicsLimits;
}

export interface KeptTopicsLimits {
  /** Of all that is kept in memory for those who subscribe. */
  readonly cacheBytes: number;
  /** Of what one subscriber, or app.history, gets. */
  readonly readBytes: number;
}

/** What somebody who subscribes gets of a topic before what is new. */
export interface Beginning {
  /** So many of the latest. */
  readonly last: number;
  /** Of these, only what is behind this position, up to which it has got everything from the store. */
  readonly after?: string;
}

/** Holds the latest of a topic for whoever has asked. */
export interface Loaded {
  release(): void;
}

/** NATS' clock and ours are read one after the other. */
const clockMs = 50;
/** A fault is noticed late: see topics.ts. */
const faultMarginMs = 15_000;

export class KeptTopics {
  readonly counters = { received: 0, read: 0, missed: 0 };
  private readonly options: KeptTopicsOptions;
  private readonly topics = new Map<string, KeptTopic>();
  /** Each with how many are read. */
  private readonly readings = new Map<KeptTopic, { readonly depth: number; readonly done: Promise<void> }>();
  /** The last offset that has come from each stream, of whatever topic. */
  private readonly heard = new Map<string, number>();
  /** Since NATS is back, as long as it is not known what has been missed. */
  private catchingUp: symbol | undefined;
  /** Since when something may have been missed, by the wall clock. */
  private disconnectedAt: number | undefined;

  constructor(options: KeptTopicsOptions) {
    this.options = options;
  }

  /** NATS has stored this, and published it to the topic. */
  take(topic: string, message: BusMessage): void {
    const entry = parseLive(message, this.options.wallClock());
    this.counters.received++;
    // Until it is known what was missed, what is heard says nothing of what came before.
    if (this.catchingUp === undefined) this.heardUpTo(entry.epoch, entry.offset);
    this.open(topic).take(entry);
  }

  /** What is published to it waits for a reading. */
  isHolding(topic: string): boolean {
    return this.topics.size > 0 && this.topics.get(topic)?.isHolding === true;
  }

  /** Runs an action behind what is held back. Only where something is. */
  behind(topic: string, action: () => void): void {
    this.topics.get(topic)?.behind(action);
  }

  /** It has no subscriber here any more. */
  forget(topic: string): void {
    this.topics.delete(topic);
  }

  /**
   * Sees to it that the latest of a topic is here, which has a subscriber or a turn about to commit one: until `release`. And that all up to
   * the position has been delivered here: what is on its way would come to its new subscriber, too.
   * @throws {CodedError} "history.unavailable", "history.invalid"
   */
  async load(topic: string, { last, after }: Beginning): Promise<Loaded> {
    const kept = this.open(topic);
    kept.readers++;
    kept.usedAt = this.options.now();
    const release = () => {
      kept.readers--;
    };
    try {
      if (after !== undefined) await this.reach(topic, kept, { last, after });
      while (kept.find(last, 0) === undefined) await this.read(topic, kept, last);
    } catch (error) {
      release();
      throw error;
    }
    return { release };
  }

  /** @returns the latest, oldest first, as of now: whatever is newer is delivered later. Only while it is loaded. */
  latest(topic: string, last: number): readonly HistoryEntry[] {
    return this.topics.get(topic)?.find(last, this.options.wallClock()) ?? [];
  }

  disconnected(): void {
    this.disconnectedAt ??= this.options.wallClock();
  }

  /** NATS is back: what it has published meanwhile is read. @param isWanted some topic has a subscriber here. */
  reconnected(isWanted: boolean): void {
    // Nobody here has missed any.
    if (!isWanted) return;
    const mine = Symbol();
    if (this.catchingUp === undefined) for (const kept of this.topics.values()) kept.pause();
    this.catchingUp = mine;
    const since = (this.disconnectedAt ?? this.options.wallClock()) - faultMarginMs;
    void persist(
      this.options,
      () => this.catchUp(since),
      () => this.catchingUp === mine,
    )
      .catch(() => undefined)
      .then(() => {
        if (this.catchingUp !== mine) return;
        this.catchingUp = undefined;
        this.disconnectedAt = undefined;
        for (const kept of this.topics.values()) kept.resume();
      });
  }

  private open(topic: string): KeptTopic {
    const known = this.topics.get(topic);
    if (known !== undefined) return known;
    const kept: KeptTopic = new KeptTopic({
      deliver: (entry) => this.options.deliver(topic, entry),
      onGap: (epoch, offset) => void this.repair(topic, kept, epoch, offset),
    });
    if (this.catchingUp !== undefined) kept.pause();
    this.topics.set(topic, kept);
    return kept;
  }

  /** One reading that begins from now on does: where it does not lead as far, the position is another topic's, of the same stream. */
  private async reach(topic: string, kept: KeptTopic, { last, after }: Required<Beginning>): Promise<void> {
    const position = parsePosition(after);
    if (kept.hasReached(position)) return;
    await this.readings.get(kept)?.done.catch(() => undefined);
    if (!kept.hasReached(position)) await this.read(topic, kept, last);
  }

  private async read(topic: string, kept: KeptTopic, last: number): Promise<void> {
    const under = this.readings.get(kept);
    // One that reads less does not do, and two at a time would not know of each other.
    if (under !== undefined) return under.depth >= last ? under.done : void (await under.done.catch(() => undefined));
    const bytes = this.options.limits.readBytes;
    const readNow = async () => {
      kept.beginReading();
      const since = (this.options.wantedAt(topic) ?? this.options.wallClock()) - clockMs;
      const read = await this.options.store.read(topic, { last, bytes, after: kept.ends, since });
      this.counters.read++;
      kept.endReading(read, { depth: last, bytes });
    };
    const done = persist(this.options, readNow, () => true).finally(() => {
      kept.failReading();
      this.readings.delete(kept);
    });
    this.readings.set(kept, { depth: last, done });
    return done;
  }

  private async repair(topic: string, kept: KeptTopic, epoch: string, offset: number): Promise<void> {
    const isWanted = () => this.topics.get(topic) === kept;
    const { readBytes: bytes } = this.options.limits;
    try {
      await persist(
        this.options,
        async () => {
          const { further } = await this.options.store.read(topic, { last: 1, bytes, after: new Map([[epoch, offset]]) });
          const { missed } = kept;
          kept.repaired(
            epoch,
            further.filter((entry) => entry.epoch === epoch),
          );
          this.counters.missed += kept.missed - missed;
        },
        isWanted,
      );
    } catch {
      this.counters.missed++;
      kept.giveUp();
    }
  }

  private async catchUp(since: number): Promise<void> {
    const { store, wantedAt } = this.options;
    for (const { epoch, lastOffset } of await store.ends()) {
      const heard = this.heard.get(epoch);
      if (heard !== undefined && heard > lastOffset) {
        // It has lost what was not on disk yet, and counts on from here.
        this.heard.set(epoch, lastOffset);
        for (const kept of this.topics.values()) kept.rewind(epoch, lastOffset);
      }
      if (heard !== undefined && heard >= lastOffset) continue;
      await store.replay(epoch, heard === undefined ? { since } : { offset: heard + 1 }, (topic, entry) => {
        const wanted = wantedAt(topic);
        if (wanted === undefined || entry.at < wanted) return;
        this.open(topic).replay(entry);
      });
      this.heardUpTo(epoch, lastOffset);
    }
  }

  private heardUpTo(epoch: string, offset: number): void {
    this.heard.set(epoch, Math.max(offset, this.heard.get(epoch) ?? 0));
  }

  /** To be called several times a second. Those that nobody has asked for longest go first. */
  sweep(): void {
    let bytes = 0;
    for (const kept of this.topics.values()) bytes += kept.bytes;
    if (bytes <= this.options.limits.cacheBytes) return;
    for (const kept of [...this.topics.values()].sort((a, b) => a.usedAt - b.usedAt)) {
      if (kept.readers > 0 || kept.bytes === 0) continue;
      bytes -= kept.bytes;
      kept.forgetLatest();
      if (bytes <= this.options.limits.cacheBytes / 2) return;
    }
  }
}
