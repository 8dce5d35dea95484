// Publishes that are to be kept, on their way to the store: held until they are stored, and tried again after any fault, without a double.
// What one publisher publishes to one topic goes one by one, so that nothing overtakes; what it publishes there without `keep` waits
// behind. Pure, but for the store.

import type { CodedError } from "../../protocol/errors.ts";
import type { HistoryStore, NewEntry } from "../../protocol/history.ts";
import { type Patience, persist } from "./persist.ts";

export interface KeptOutboxOptions extends Patience {
  /** Of the gateway: new with each start. */
  readonly self: string;
  readonly store: Pick<HistoryStore, "append">;
  /** Sends what was published without `keep` until now: it must not be overtaken. */
  readonly flush: () => void;
  /** Read each time. */
  readonly limits: { readonly pendingBytes: number };
}

export type KeptPublish = Omit<NewEntry, "id" | "triedMs"> & {
  /** Of a publish that may come again: it is stored once. undefined: it gets one. */
  readonly id?: string | undefined;
  readonly owner?: HistoryOwner | undefined;
};

/** Whose publishes wait: an address. */
export interface HistoryOwner {
  historyBytes: number;
}

/** What is published without `keep`. */
export interface NotKept {
  readonly dataBytes: number;
  readonly owner?: HistoryOwner | undefined;
  readonly run: () => void;
}

/** @param error undefined: it is stored. */
export type OnSettled = (error: CodedError | undefined) => void;

interface Waiting {
  readonly bytes: number;
  readonly owner: HistoryOwner | undefined;
}

interface Item extends Waiting {
  readonly publish: Omit<KeptPublish, "owner">;
  readonly id: string;
  readonly onSettled: OnSettled;
  /** Told after `onSettled`: see `settled`. */
  others?: Array<() => void>;
}

/** Without `keep`, behind one that has it. */
interface Behind extends Waiting {
  readonly run: () => void;
}

/** What a publish takes besides its own bytes. */
const publishBytes = 256;
/** Of what may wait, what one owner may have. */
const ownerShare = 1 / 4;

export class KeptOutbox {
  readonly counters = { kept: 0, retried: 0, failed: 0 };
  /** That wait to be stored. */
  bytes = 0;
  private readonly options: KeptOutboxOptions;
  /** By publisher and topic. The first of a list is under way. */
  private readonly lists = new Map<string, Array<Item | Behind>>();
  private last = 0;

  constructor(options: KeptOutboxOptions) {
    this.options = options;
  }

  /** Nothing waits. */
  get isEmpty(): boolean {
    return this.lists.size === 0;
  }

  /** Whether what is kept may be more than it is. @param owner undefined: it may have all. */
  hasRoom(owner?: HistoryOwner): boolean {
    const { pendingBytes } = this.options.limits;
    return this.bytes < pendingBytes && (owner === undefined || owner.historyBytes < pendingBytes * ownerShare);
  }

  /** @param publisher whose publishes to a topic stay in order. */
  keep(publisher: string, { owner, ...publish }: KeptPublish, onSettled: OnSettled): void {
    const bytes = publish.data.length + publishBytes;
    const item = { publish, id: publish.id ?? `${this.options.self}-${++this.last}`, bytes, owner, onSettled };
    this.count(item, bytes);
    const key = keyOf(publisher, publish.topic);
    const list = this.lists.get(key);
    if (list !== undefined) return void list.push(item);
    this.lists.set(key, [item]);
    this.try(key, item);
  }

  /** @returns false where nothing of this publisher waits on the topic: then the action is to be run now, and is not run here. */
  behind(publisher: string, topic: string, { dataBytes, owner, run }: NotKept): boolean {
    const list = this.lists.get(keyOf(publisher, topic));
    if (list === undefined) return false;
    const item = { bytes: dataBytes + publishBytes, owner, run };
    this.count(item, item.bytes);
    list.push(item);
    return true;
  }

  /** Resolves when all that waits to be kept by this topic now is stored, or given up. */
  async settled(topic: string): Promise<void> {
    const lists = [...this.lists.values()];
    const last = lists.flatMap((list) => list.filter((item) => "publish" in item && item.publish.topic === topic).slice(-1) as Item[]);
    await Promise.all(
      last.map((item) => {
        item.others ??= [];
        const { others } = item;
        return new Promise<void>((resolve) => others.push(resolve));
      }),
    );
  }

  private try(key: string, { publish, id }: Item): void {
    const { store, flush } = this.options;
    let tries = 0;
    persist(this.options, (triedMs) => {
      if (++tries > 1) this.counters.retried++;
      flush();
      return store.append({ ...publish, id, triedMs });
    }).then(
      () => this.settle(key, undefined),
      (error: CodedError) => this.settle(key, error),
    );
  }

  private settle(key: string, error: CodedError | undefined): void {
    const list = this.lists.get(key) ?? [];
    const item = list.shift() as Item;
    this.count(item, -item.bytes);
    if (error === undefined) this.counters.kept++;
    else this.counters.failed++;
    item.onSettled(error);
    for (const tell of item.others ?? []) tell();
    this.goOn(key, list);
  }

  private count({ owner }: Waiting, bytes: number): void {
    this.bytes += bytes;
    if (owner !== undefined) owner.historyBytes += bytes;
  }

  private goOn(key: string, list: Array<Item | Behind>): void {
    for (let next = list[0]; next !== undefined; next = list[0]) {
      if (!("run" in next)) return this.try(key, next);
      list.shift();
      this.count(next, -next.bytes);
      next.run();
    }
    this.lists.delete(key);
  }
}

function keyOf(publisher: string, topic: string): string {
  return `${publisher} ${topic}`;
}
