// A bucket of JetStream's key-value store, where a value is replaced only by who has seen the one before.

import { JetStreamApiError, jetstream, StorageType } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import type { NatsConnection } from "nats";
import type { Bus } from "../protocol/bus.ts";
import { CodedError } from "../protocol/errors.ts";
import type { Entry, KeyValueStore } from "../protocol/key-value.ts";

/** JetStream: "wrong last sequence". Somebody else was faster. */
export const wrongSequence = 10_071;

export interface BucketOptions<Value> {
  readonly name: string;
  /** Of all values together, on disk. */
  readonly bytes: number;
  /** Of one value. */
  readonly valueBytes: number;
  /** How long one answer may take. */
  readonly timeoutMs: number;
  /** The bus': its listeners may throw. */
  readonly subscribe: Bus["subscribe"];
  /** Reads what was put; undefined: it is none. */
  readonly parse: (json: unknown) => Value | undefined;
}

export class NatsKeyValueStore<Value> implements KeyValueStore<Value> {
  private readonly connection: NatsConnection;
  private readonly options: BucketOptions<Value>;
  /** Opened when it is needed first; what fails is tried again then. */
  private opening: Promise<KV> | undefined;

  constructor(connection: NatsConnection, options: BucketOptions<Value>) {
    this.connection = connection;
    this.options = options;
  }

  /** Makes the bucket where it is missing: our nats-server lets operators only do that. @throws {CodedError} "store.unavailable" */
  async prepare(): Promise<void> {
    await this.asked(() => Promise.resolve());
  }

  get(key: string): Promise<Entry<Value>> {
    return this.asked(async (bucket) => {
      const entry = await bucket.get(key);
      if (entry === null) return { value: undefined, revision: 0 };
      return { value: entry.operation === "PUT" ? this.parse(entry.value) : undefined, revision: entry.revision };
    });
  }

  replace(key: string, value: Value, revision: number): Promise<number | undefined> {
    return this.asked(async (bucket) => {
      try {
        return await bucket.put(key, JSON.stringify(value), { previousSeq: revision, timeout: this.options.timeoutMs });
      } catch (error) {
        if (error instanceof JetStreamApiError && error.code === wrongSequence) return undefined;
        throw error;
      }
    });
  }

  hear(listener: (key: string, value: Value) => void): () => void {
    const prefix = `$KV.${this.options.name}.`;
    const subscription = this.options.subscribe(`${prefix}*`, ({ subject, payload }) => {
      const value = this.parse(payload);
      if (value !== undefined) listener(subject.slice(prefix.length), value);
    });
    return () => subscription.unsubscribe();
  }

  floor = (): Promise<number> => {
    return this.asked(async (bucket) => {
      const { created, state } = (await bucket.status()).streamInfo;
      return Date.parse(created) + state.last_seq;
    });
  };

  private parse(bytes: Uint8Array): Value | undefined {
    try {
      return this.options.parse(JSON.parse(Buffer.from(bytes).toString()));
    } catch {
      return undefined;
    }
  }

  /** @throws {CodedError} "store.unavailable" */
  private async asked<Result>(ask: (bucket: KV) => Promise<Result>): Promise<Result> {
    try {
      this.opening ??= this.open();
      return await ask(await this.opening);
    } catch (error) {
      this.opening = undefined;
      const { message } = error as Error;
      const text =
        error instanceof JetStreamApiError
          ? `NATS' key-value store ${this.options.name} refuses: ${message}`
          : `NATS' key-value store ${this.options.name} does not answer: ${message} (is JetStream on?)`;
      throw new CodedError("store.unavailable", text, { cause: error });
    }
  }

  private open(): Promise<KV> {
    const { name, bytes, valueBytes, timeoutMs } = this.options;
    return new Kvm(jetstream(this.connection, { timeout: timeoutMs })).create(name, {
      history: 1,
      max_bytes: bytes,
      maxValueSize: valueBytes,
      storage: StorageType.File,
      timeout: timeoutMs,
      // From the leader: a follower in a cluster may not have it yet.
      allow_direct: false,
    });
  }
}
