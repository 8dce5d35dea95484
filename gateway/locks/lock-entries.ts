// The entries of locks in the store that gateways share, and their fences. A lock that nobody has is no entry.

import type { Entry, KeyValueStore } from "../../protocol/key-value.ts";
import type { LockValue } from "../../protocol/lock-value.ts";

export type LockStore = Pick<KeyValueStore<LockValue>, "get" | "replace" | "remove" | "each" | "hear" | "createdAt">;

/** No store is written more often, so a later one begins above all that this one had. */
const revisionsPerMs = 1_000;

export class LockEntries {
  readonly store: LockStore;
  private createdAt: Promise<number> | undefined;

  constructor(store: LockStore) {
    this.store = store;
  }

  /** Another store may have taken its place: NATS was away. */
  forget(): void {
    this.createdAt = undefined;
  }

  /**
   * The number of whoever has it: higher than those of all that had it before, also in a store that was lost.
   * @throws {CodedError} "store.unavailable"
   */
  async fenceOf({ value, revision }: Entry<LockValue>): Promise<number> {
    if (value === undefined) return 0;
    if (value.fence > 0) return value.fence;
    this.createdAt ??= this.store.createdAt();
    try {
      return (await this.createdAt) * revisionsPerMs + revision;
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  /** @returns the new revision; undefined: somebody else was faster. @throws {CodedError} "store.unavailable": it may have happened. */
  async replace(key: string, { revision }: Entry<LockValue>, next: LockValue | undefined): Promise<number | undefined> {
    if (next !== undefined) return this.store.replace(key, next, revision);
    return (await this.store.remove(revision)) ? 0 : undefined;
  }
}
