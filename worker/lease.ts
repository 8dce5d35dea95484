// A lease: of all processes that want it, one has it. Its holder renews it in a store that all share; who sees no renewal for longer than
// the holder could believe to have it may take it. Each time that it is taken it gets a higher fence. Pure; clock and store are handed in.
//
// The holder counts from before the last renewal that was confirmed, others from when they first saw the last one that they have seen. So
// the first is over before the second, whatever the clocks say, and as long as both run alike fast. A holder that stands still in between
// is stopped by its fence: see gateway/fences.ts.

import type { KeyValueStore } from "../protocol/key-value.ts";
import type { LeaseValue } from "../protocol/lease-value.ts";

/** How often a holder renews. */
const renewMs = 250;
/** For so long after it was begun, a renewal that was confirmed holds. */
export const heldMs = 1_000;
/** Others may take it after so much time without one. */
export const takenMs = 1_250;
/** Who has others already waits so much longer for each, so that they spread. */
const politeMs = 20;
/** After a store that does not answer, or not in time: a holder has little time, others have some. */
const retryMs = { held: 50, notHeld: 250 };

export interface LeaseOptions {
  readonly key: string;
  /** Who would have it. */
  readonly self: string;
  readonly store: Pick<KeyValueStore<LeaseValue>, "get" | "replace" | "floor">;
  readonly now: () => number;
  /** How many leases this process has. */
  readonly others: () => number;
  readonly onTaken: (fence: number) => void;
  /** It was not given up. */
  readonly onLost: () => void;
  readonly onFailed: (error: unknown) => void;
}

/** What is known of it. */
interface Seen extends LeaseValue {
  readonly at: number;
}

interface Held {
  readonly fence: number;
  revision: number;
  until: number;
  renewedAt: number;
}

export class Lease {
  private readonly options: LeaseOptions;
  private isWanted = false;
  private held: Held | undefined;
  private seen: Seen | undefined;
  /** Its holder has ended: nobody has to be waited for. */
  private isVacant = false;
  /** What the store is being asked. */
  private asking: Promise<void> | undefined;
  private notBefore = 0;
  /** The last beat: another for each put, since others hear also what is not stored, and must not take it for what is stored later. */
  private beat = 0;

  constructor(options: LeaseOptions) {
    this.options = options;
  }

  /** Its fence, for as long as nobody else can have it. */
  get fence(): number | undefined {
    return this.held !== undefined && this.options.now() < this.held.until ? this.held.fence : undefined;
  }

  /** Takes it as soon as it is free. */
  want(): void {
    this.isWanted = true;
    this.step();
  }

  /** Others may have it at once. Where the store does not hear that, they wait until it is over. */
  async giveUp(): Promise<void> {
    this.isWanted = false;
    const { held, asking } = this;
    this.held = undefined;
    await asking;
    if (held !== undefined) await this.putBack(held);
  }

  /** Somebody would put this. */
  hear(value: LeaseValue): void {
    if (this.held === undefined) this.see(value);
    this.step();
  }

  /** A process has ended. */
  gone(holder: string): void {
    if (this.seen?.holder !== holder) return;
    this.seen = { ...this.seen, at: this.options.now() };
    this.isVacant = true;
    this.step();
  }

  /** Takes, renews or loses it: to be called often. */
  step(): void {
    const at = this.options.now();
    if (this.held !== undefined && at >= this.held.until) {
      this.held = undefined;
      this.options.onLost();
    }
    if (this.asking !== undefined || at < this.notBefore) return;
    if (this.held !== undefined) {
      if (at - this.held.renewedAt >= renewMs) this.ask(() => this.renew());
    } else if (this.isWanted && this.seemsFree(at)) this.ask(() => this.take());
  }

  private seemsFree(at: number): boolean {
    if (this.seen === undefined) return true;
    const isFree = this.isVacant || this.isNobodys(this.seen);
    return at - this.seen.at >= (isFree ? 0 : takenMs) + this.options.others() * politeMs;
  }

  /** Also where it was taken and the answer was lost: what is not held is not used. */
  private isNobodys({ holder }: LeaseValue): boolean {
    return holder === "" || holder === this.options.self;
  }

  private see(value: LeaseValue): void {
    if (value.fence === this.seen?.fence && value.beat === this.seen.beat && value.holder === this.seen.holder) return;
    this.seen = { ...value, at: this.options.now() };
    this.isVacant = false;
  }

  private ask(question: () => Promise<void>): void {
    const asking = question().catch((error: unknown) => {
      this.notBefore = this.options.now() + (this.held === undefined ? retryMs.notHeld : retryMs.held);
      this.options.onFailed(error);
    });
    this.asking = asking.then(() => {
      this.asking = undefined;
    });
  }

  private async take(): Promise<void> {
    const { key, self, store, now, onTaken } = this.options;
    const { seen, isVacant } = this;
    const { value, revision } = await store.get(key);
    if (value !== undefined) {
      this.see(value);
      const isUnrenewed = seen !== undefined && this.seen === seen;
      const isLeft = isVacant && value.holder === seen?.holder;
      if (!this.isNobodys(value) && !isUnrenewed && !isLeft) return;
    }
    const fence = (value?.fence ?? (await store.floor())) + 1;
    const at = now();
    if (!this.isWanted) return;
    const taken = await store.replace(key, { holder: self, fence, beat: ++this.beat }, revision);
    if (taken === undefined) return;
    const held = { fence, revision: taken, until: at + heldMs, renewedAt: at };
    if (!this.isWanted) return this.putBack(held);
    this.held = held;
    if (this.fence !== undefined) onTaken(fence);
  }

  private async renew(): Promise<void> {
    const { key, self, store, now } = this.options;
    const { held } = this;
    if (held === undefined) return;
    const at = now();
    held.renewedAt = at;
    const revision = await store.replace(key, { holder: self, fence: held.fence, beat: ++this.beat }, held.revision);
    if (revision !== undefined) {
      Object.assign(held, { revision, until: at + heldMs });
      return;
    }
    const { value, revision: stored } = await store.get(key);
    // One that was stored, and its answer was lost: the next one holds.
    if (value?.holder === self && value.fence === held.fence) {
      Object.assign(held, { revision: stored, renewedAt: Number.NEGATIVE_INFINITY });
      return;
    }
    held.until = Number.NEGATIVE_INFINITY;
    if (value !== undefined) this.see(value);
  }

  private async putBack({ fence, revision }: Held): Promise<void> {
    const { key, store } = this.options;
    await store.replace(key, { holder: "", fence, beat: ++this.beat }, revision).catch(() => undefined);
  }
}
