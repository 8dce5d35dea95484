// Values that are taken once, whichever process takes them: a bucket of JetStream's key-value store, where they stay for some minutes. A
// value that was taken stays as long, with who has taken it, so that the same taker may take it again: an upgrade that is redelivered,
// or an answer of NATS that was lost.

import { CodedError } from "../protocol/errors.ts";
import type { OneTimeStore } from "../protocol/one-time-store.ts";
import type { StoredTicket } from "./buckets.ts";
import type { NatsKeyValueStore } from "./key-value.ts";

export class NatsOneTimeStore implements OneTimeStore {
  private readonly bucket: NatsKeyValueStore<StoredTicket>;

  constructor(bucket: NatsKeyValueStore<StoredTicket>) {
    this.bucket = bucket;
  }

  /** Makes the bucket where it is missing: our nats-server lets operators only do that. @throws {CodedError} "auth.unavailable" */
  prepare(): Promise<void> {
    return this.bucket.prepare();
  }

  async put(key: string, value: string): Promise<void> {
    if ((await this.bucket.replace(key, { value }, 0)) !== undefined) return;
    throw new CodedError("auth.unavailable", "there is a value with this key already");
  }

  async take(key: string, taker: string): Promise<string | undefined> {
    for (;;) {
      const { value: stored, revision } = await this.bucket.get(key);
      if (stored === undefined) return undefined;
      if (stored.taker !== undefined) return stored.taker === taker ? stored.value : undefined;
      if ((await this.bucket.replace(key, { ...stored, taker }, revision)) !== undefined) return stored.value;
    }
  }
}
