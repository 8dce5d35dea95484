// The history of topics, as the rest of the gateway knows it: what is to be kept goes through an outbox to the store, comes back from there
// to this gateway's subscribers, and is read for those who ask. Who keeps nothing pays for nothing of it.

import type { CodedError } from "../../protocol/errors.ts";
import { type HistoryEntry, type HistoryStore, type Retention, stillKept } from "../../protocol/history.ts";
import type { PublishHere } from "../topics.ts";
import { type HistoryOwner, KeptOutbox } from "./kept-outbox.ts";
import { type Beginning, KeptTopics, type Loaded } from "./kept-topics.ts";
import type { Patience } from "./persist.ts";

export interface HistoryOptions extends Patience {
  /** Of the gateway: new with each start. */
  readonly self: string;
  readonly store: HistoryStore;
  /** See KeptOutboxOptions. */
  readonly flush: () => void;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  /** At once. */
  readonly publishHere: PublishHere;
  /** See KeptTopicsOptions. */
  readonly wantedAt: (topic: string) => number | undefined;
  /** Read each time. */
  readonly limits: HistoryLimits;
}

export interface HistoryLimits {
  readonly pendingBytes: number;
  readonly cacheBytes: number;
  readonly readBytes: number;
}

/** What is published, with its bytes in somebody else's memory. */
export interface Published {
  readonly topic: string;
  readonly data: Uint8Array;
  readonly isBinary: boolean;
  readonly except: readonly string[];
  /** See KeptPublish. */
  readonly id?: string | undefined;
  readonly owner?: HistoryOwner | undefined;
}

export class History {
  readonly outbox: KeptOutbox;
  readonly topics: KeptTopics;
  private readonly options: HistoryOptions;

  constructor(options: HistoryOptions) {
    this.options = options;
    this.outbox = new KeptOutbox(options);
    this.topics = new KeptTopics({
      ...options,
      deliver: (topic, { data, isBinary, except }) => options.publishHere(topic, data, isBinary, except),
    });
  }

  /** As the options' own, but behind what this topic is waiting for. */
  readonly publishHere: PublishHere = (topic, data, isBinary, except) => {
    if (!this.topics.isHolding(topic)) return this.options.publishHere(topic, data, isBinary, except);
    const own = new Uint8Array(data);
    this.topics.behind(topic, () => this.options.publishHere(topic, own, isBinary, except));
  };

  /** @param publisher whose publishes to a topic stay in order. @param onSettled undefined: it is stored. */
  keep(publisher: string, published: Published, retention: Retention, onSettled: (error: CodedError | undefined) => void): void {
    this.outbox.keep(publisher, { ...published, data: new Uint8Array(published.data), retention }, onSettled);
  }

  /** See KeptTopics. */
  load(topic: string, beginning: Beginning): Promise<Loaded> {
    return this.topics.load(topic, beginning);
  }

  latest(topic: string, last: number): readonly HistoryEntry[] {
    return this.topics.latest(topic, last);
  }

  /** The latest that a topic keeps, oldest first, with everything that was stored before. @throws as HistoryStore.read */
  async read(topic: string, last: number): Promise<HistoryEntry[]> {
    const { store, limits, wallClock } = this.options;
    const { latest } = await store.read(topic, { last, bytes: limits.readBytes });
    return stillKept(latest, last, wallClock());
  }
}
