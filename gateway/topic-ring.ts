// The last batches that this gateway published to topics, so that what a NATS fault swallowed can be sent again. Bounded by
// bytes; what has fallen out cannot be repaired. Pure.

export interface RingEntry {
  readonly topic: string;
  readonly seq: number;
  readonly bytes: Uint8Array;
  /** When it was published. */
  readonly at: number;
}

/** What an entry costs beside its bytes: small batches must not make the ring several times as large as it may be. */
export const entryBytes = 256;

export class TopicRing {
  private readonly limitBytes: number;
  private entries: RingEntry[] = [];
  /** Entries before this index have fallen out. */
  private first = 0;
  private bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** @param entry its bytes are copied: they may be a view of something larger. */
  add(entry: RingEntry): void {
    this.entries.push({ ...entry, bytes: new Uint8Array(entry.bytes) });
    this.bytes += entry.bytes.length + entryBytes;
    while (this.bytes > this.limitBytes && this.first < this.entries.length) {
      this.bytes -= (this.entries[this.first] as RingEntry).bytes.length + entryBytes;
      this.first++;
    }
    // Half of it is gone: let go of the memory.
    if (this.first > 64 && this.first > this.entries.length / 2) {
      this.entries = this.entries.slice(this.first);
      this.first = 0;
    }
  }

  /** What was published since, in order. */
  *since(at: number): Iterable<RingEntry> {
    for (let index = this.first; index < this.entries.length; index++) {
      const entry = this.entries[index] as RingEntry;
      if (entry.at >= at) yield entry;
    }
  }
}
