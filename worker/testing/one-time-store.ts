// What handlers give NATS to keep until it is taken, in memory.

import type { OneTimeStore } from "../../protocol/one-time-store.ts";

/** As long as nats/one-time-store.ts keeps it. */
const keptMs = 5 * 60_000;

interface Stored {
  readonly value: string;
  readonly until: number;
  readonly taker?: string;
}

export class InMemoryOneTimeStore implements OneTimeStore {
  private readonly wallClock: () => number;
  private readonly values = new Map<string, Stored>();

  constructor(wallClock: () => number) {
    this.wallClock = wallClock;
  }

  async put(key: string, value: string): Promise<void> {
    this.values.set(key, { value, until: this.wallClock() + keptMs });
  }

  async take(key: string, taker: string): Promise<string | undefined> {
    const stored = this.values.get(key);
    if (stored === undefined || stored.until <= this.wallClock()) return undefined;
    if (stored.taker !== undefined) return stored.taker === taker ? stored.value : undefined;
    this.values.set(key, { value: stored.value, until: this.wallClock() + keptMs, taker });
    return stored.value;
  }
}
