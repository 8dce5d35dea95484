// Values that are taken once, whichever process takes them: a bucket of JetStream's key-value store, where they stay for some minutes. A
// value that was taken stays as long, with who has taken it, so that the same taker may take it again: an upgrade that is redelivered,
// or an answer of NATS that was lost.

import { JetStreamApiError, StorageType } from "@nats-io/jetstream";
import { type KV, type KvEntry, Kvm } from "@nats-io/kv";
import type { NatsConnection } from "nats";
import { CodedError } from "../protocol/errors.ts";
import type { OneTimeStore } from "../protocol/one-time-store.ts";
import { oneTimeBucket } from "../protocol/subjects.ts";
import { wrongSequence } from "./key-value.ts";

/** After it was put, and again after it was taken. */
const keptMs = 5 * 60_000;
/** Of all values together, on disk: a value beyond that cannot be put. */
const storeBytes = 64 * 1024 * 1024;
/** Of one value, with its taker. */
const valueBytes = 16 * 1024;
const timeoutMs = 5_000;

interface Stored {
  readonly value: string;
  /** Who has it. */
  readonly taker?: string;
}

export class NatsOneTimeStore implements OneTimeStore {
  private readonly connection: NatsConnection;
  private readonly bucket: string;
  /** Opened when it is needed first; what fails is tried again then. */
  private opening: Promise<KV> | undefined;

  constructor(connection: NatsConnection, namespace: string) {
    this.connection = connection;
    this.bucket = oneTimeBucket(namespace);
  }

  /** Makes the bucket where it is missing: our nats-server lets operators only do that. @throws {CodedError} "auth.unavailable" */
  async prepare(): Promise<void> {
    await this.asked(() => Promise.resolve());
  }

  async put(key: string, value: string): Promise<void> {
    await this.asked(async (bucket) => {
      await bucket.create(key, encode({ value }));
    });
  }

  async take(key: string, taker: string): Promise<string | undefined> {
    return this.asked(async (bucket) => {
      for (;;) {
        const entry = await bucket.get(key);
        const stored = entry?.operation === "PUT" ? decode(entry) : undefined;
        if (entry === null || stored === undefined) return undefined;
        if (stored.taker !== undefined) return stored.taker === taker ? stored.value : undefined;
        if (await wasTaken(bucket, entry, { ...stored, taker })) return stored.value;
      }
    });
  }

  /** @throws {CodedError} "auth.unavailable" */
  private async asked<Result>(ask: (bucket: KV) => Promise<Result>): Promise<Result> {
    try {
      this.opening ??= this.open();
      return await ask(await this.opening);
    } catch (error) {
      this.opening = undefined;
      const { message } = error as Error;
      const text =
        error instanceof JetStreamApiError
          ? `NATS' key-value store of tickets refuses: ${message}`
          : `NATS' key-value store of tickets does not answer: ${message} (is JetStream on?)`;
      throw new CodedError("auth.unavailable", text, { cause: error });
    }
  }

  private open(): Promise<KV> {
    return new Kvm(this.connection).create(this.bucket, {
      history: 1,
      ttl: keptMs,
      max_bytes: storeBytes,
      maxValueSize: valueBytes,
      storage: StorageType.File,
      timeout: timeoutMs,
      // From the leader: a follower in a cluster may not have it yet.
      allow_direct: false,
    });
  }
}

async function wasTaken(bucket: KV, { key, revision }: KvEntry, stored: Stored): Promise<boolean> {
  try {
    await bucket.update(key, encode(stored), revision);
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === wrongSequence) return false;
    throw error;
  }
}

function encode(stored: Stored): string {
  return JSON.stringify(stored);
}

function decode(entry: KvEntry): Stored {
  return entry.json<Stored>();
}
