// A store of history in memory, for tests: what NATS does, but for its faults, which a test makes happen.

import type { HistoryEntry, HistoryRange, HistoryRead, HistoryStore, NewEntry, OnEntry, StreamEnd } from "../../protocol/history.ts";
import type { LiveEntry } from "./kept-topic.ts";

interface Stored extends LiveEntry {
  readonly topic: string;
  readonly id: string;
}

export class MemoryStore implements HistoryStore {
  readonly stored: Stored[] = [];
  /** What NATS would publish, as it is stored. */
  onStored: (topic: string, entry: LiveEntry) => void = () => undefined;
  /** Runs before and after each operation: throws, or takes its time. */
  fault: () => Promise<void> = () => Promise.resolve();
  now = 0;

  async append({ id, topic, retention, data, isBinary, except }: NewEntry): Promise<void> {
    await this.fault();
    if (this.stored.every((entry) => entry.id !== id)) {
      const before = this.stored.findLast((entry) => entry.topic === topic)?.offset ?? 0;
      const offset = this.stored.length + 1;
      const entry = { id, topic, epoch: "e", offset, before, at: this.now, retention, data, isBinary, except };
      this.stored.push(entry);
      this.onStored(topic, entry);
    }
    await this.fault();
  }

  async read(topic: string, { last, after, since }: HistoryRange): Promise<HistoryRead> {
    await this.fault();
    const entries: HistoryEntry[] = this.stored.filter((entry) => entry.topic === topic);
    const from = after?.get("e");
    const further = entries.filter(({ offset, at }) => (from === undefined ? since !== undefined && at >= since : offset > from));
    const end = entries.at(-1)?.offset;
    await this.fault();
    return { latest: entries.slice(-last), further, ends: new Map(end === undefined ? [] : [["e", end]]) };
  }

  async ends(): Promise<StreamEnd[]> {
    await this.fault();
    return [{ epoch: "e", lastOffset: this.stored.length }];
  }

  async replay(_epoch: string, from: { readonly offset: number } | { readonly since: number }, onEntry: OnEntry): Promise<void> {
    for (const entry of this.stored) {
      if ("offset" in from ? entry.offset >= from.offset : entry.at >= from.since) onEntry(entry.topic, entry);
    }
    await this.fault();
  }
}
