// The latest entries of a topic, oldest first, in memory: so many, so many bytes, and of each stream no more than it keeps. Pure.

import type { HistoryEntry } from "../../protocol/history.ts";

export class LatestEntries {
  readonly depth: number;
  /** Of their data. */
  bytes = 0;
  private readonly limitBytes: number;
  private readonly entries: HistoryEntry[] = [];
  /** How many are of each stream, by epoch. */
  private readonly counts = new Map<string, number>();

  constructor({ depth, bytes }: { readonly depth: number; readonly bytes: number }, entries: readonly HistoryEntry[]) {
    this.depth = depth;
    this.limitBytes = bytes;
    for (const entry of entries) this.add(entry);
  }

  get all(): readonly HistoryEntry[] {
    return this.entries;
  }

  add(entry: HistoryEntry): void {
    this.entries.push(entry);
    this.count(entry, 1);
    // One of its own stream first: what others keep must not go for what this one does not.
    if ((this.counts.get(entry.epoch) ?? 0) > entry.retention.messages)
      this.remove(this.entries.findIndex(({ epoch }) => epoch === entry.epoch));
    while (this.entries.length > this.depth || (this.bytes > this.limitBytes && this.entries.length > 1)) this.remove(0);
  }

  private remove(index: number): void {
    const [entry] = this.entries.splice(index, 1);
    if (entry !== undefined) this.count(entry, -1);
  }

  private count({ epoch, data }: HistoryEntry, by: 1 | -1): void {
    this.counts.set(epoch, (this.counts.get(epoch) ?? 0) + by);
    this.bytes += by * data.length;
  }
}
