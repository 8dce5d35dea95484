// A bucket of JetStream's key-value store, where a value is replaced only by who has seen the one before.

import { JetStreamApiError, type JetStreamManager, jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { type NatsConnection, TimeoutError } from "nats";
import type { Bus } from "../protocol/bus.ts";
import { CodedError, type ErrorCode } from "../protocol/errors.ts";
import { type Entry, type KeyValueStore, SilentStoreError } from "../protocol/key-value.ts";

/** JetStream: "wrong last sequence". Somebody else was faster. */
const wrongSequence = 10_071;
/** JetStream: "temporarily unavailable", of a cluster. */
const noLeader = 10_008;
/** JetStream: "no message found", by number; "sequence not found", to delete it. Source: nats-server's errors.json. */
const noMessage: readonly number[] = [10_037, 10_043];

export interface BucketOptions<Value> {
  readonly name: string;
  /** Of all values together, on disk. */
  readonly bytes: number;
  /** Of one value. */
  readonly valueBytes: number;
  /** After so long, what was put is gone. Missing: it stays. */
  readonly ageMs?: number;
  /** How long one answer may take. */
  readonly timeoutMs: number;
  /** Reads what was put; undefined: it is none. */
  readonly parse: (json: unknown) => Value | undefined;
  /** The code of an error that says so. Missing: "store.unavailable". */
  readonly unavailable?: ErrorCode;
}

export class NatsKeyValueStore<Value> implements KeyValueStore<Value> {
  private readonly connection: NatsConnection;
  private readonly options: BucketOptions<Value>;
  private readonly subscribe: Bus["subscribe"];
  /** Opened when it is needed first; what fails is tried again then. */
  private opening: Promise<KV> | undefined;
  private managing: Promise<JetStreamManager> | undefined;

  /** @param subscribe The bus': its listeners may throw. */
  constructor(connection: NatsConnection, subscribe: Bus["subscribe"], options: BucketOptions<Value>) {
    this.connection = connection;
    this.subscribe = subscribe;
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

  /** As a message of its stream, not as the bucket's own "delete", which would leave a mark for each key that ever was. */
  remove(revision: number): Promise<boolean> {
    return this.asked(async () => {
      const manager = await this.manager();
      return unlessMissing(() => manager.streams.deleteMessage(this.stream, revision, false), false);
    });
  }

  // Each by a question of its own: a consumer would need rights by which one may have NATS publish anywhere.
  async each(visit: (key: string, entry: Entry<Value>) => Promise<void>): Promise<void> {
    const next_by_subj = `${this.prefix}*`;
    const last = await this.asked(async (bucket) => (await bucket.status()).streamInfo.state.last_seq);
    // Not what is put meanwhile, which might never end.
    for (let seq = 1; seq <= last; ) {
      const message = await this.asked(async () => {
        const manager = await this.manager();
        // Its types know it for direct gets only.
        const query = { seq, next_by_subj } as Parameters<typeof manager.streams.getMessage>[1];
        return unlessMissing(() => manager.streams.getMessage(this.stream, query), null);
      });
      if (message === null) return;
      seq = message.seq + 1;
      const value = this.parse(message.data);
      if (value !== undefined) await visit(message.subject.slice(this.prefix.length), { value, revision: message.seq });
    }
  }

  hear(listener: (key: string, value: Value) => void): () => void {
    const { prefix } = this;
    const subscription = this.subscribe(`${prefix}*`, ({ subject, payload }) => {
      const value = this.parse(payload);
      if (value !== undefined) listener(subject.slice(prefix.length), value);
    });
    return () => subscription.unsubscribe();
  }

  createdAt(): Promise<number> {
    return this.asked(async (bucket) => Date.parse((await bucket.status()).streamInfo.created));
  }

  floor = (): Promise<number> => {
    return this.asked(async (bucket) => {
      const { created, state } = (await bucket.status()).streamInfo;
      return Date.parse(created) + state.last_seq;
    });
  };

  private get prefix(): string {
    return `$KV.${this.options.name}.`;
  }

  /** Source: NATS' ADR-8. */
  private get stream(): string {
    return `KV_${this.options.name}`;
  }

  // It asks whether JetStream is on, so it is kept.
  private manager(): Promise<JetStreamManager> {
    this.managing ??= jetstreamManager(this.connection, { timeout: this.options.timeoutMs });
    return this.managing;
  }

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
      this.opening = this.managing = undefined;
      const { message } = error as Error;
      const { name, unavailable = "store.unavailable" } = this.options;
      const text =
        error instanceof JetStreamApiError
          ? `NATS' key-value store ${name} refuses: ${message}`
          : `NATS' key-value store ${name} does not answer: ${message} (is JetStream on?)`;
      throw new (isSilence(error) ? SilentStoreError : CodedError)(unavailable, text, { cause: error });
    }
  }

  private open(): Promise<KV> {
    const { name, bytes, valueBytes, ageMs = 0, timeoutMs } = this.options;
    return new Kvm(jetstream(this.connection, { timeout: timeoutMs })).create(name, {
      history: 1,
      // 0: for ever.
      ttl: ageMs,
      max_bytes: bytes,
      maxValueSize: valueBytes,
      storage: StorageType.File,
      timeout: timeoutMs,
      // From the leader: a follower in a cluster may not have it yet.
      allow_direct: false,
    });
  }
}

function isSilence(error: unknown): boolean {
  return error instanceof TimeoutError || (error instanceof JetStreamApiError && error.code === noLeader);
}

async function unlessMissing<Result>(ask: () => Promise<Result>, missing: Result): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof JetStreamApiError && noMessage.includes(error.code)) return missing;
    throw error;
  }
}
