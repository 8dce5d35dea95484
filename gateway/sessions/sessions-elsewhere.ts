// Sessions of other gateways whose clients' requests come through this one: their addresses have room for such requests, as those of
// sessions that are here. Pure.

import type { Party } from "../parties.ts";

/** For so long one is remembered after its gateway has said that it is there. Most clients ask again at once, and hear something each 25 s. */
const keptMs = 60_000;
const mostKept = 100_000;

export class SessionsElsewhere {
  private readonly now: () => number;
  /** By key, the one that nothing was heard of for longest first. */
  private readonly seen = new Map<string, { readonly address: Party; readonly at: number }>();

  constructor(now: () => number) {
    this.now = now;
  }

  /** The gateway that has it has said so, or answered. */
  heard(key: string, address: Party): void {
    this.forget(key);
    address.sessions++;
    this.seen.set(key, { address, at: this.now() });
    const [oldest] = this.seen.keys();
    if (this.seen.size > mostKept && oldest !== undefined) this.forget(oldest);
  }

  sweep(): void {
    for (const [key, { at }] of this.seen) {
      if (this.now() - at < keptMs) return;
      this.forget(key);
    }
  }

  private forget(key: string): void {
    const known = this.seen.get(key);
    if (known === undefined) return;
    this.seen.delete(key);
    known.address.sessions--;
  }
}
