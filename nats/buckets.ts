// The buckets of JetStream's key-value store that processes of an installation share, and what each may hold.

import * as v from "valibot";
import { type LeaseValue, parseLease } from "../protocol/lease-value.ts";
import { type LockValue, lockValueBytes, parseLock } from "../protocol/lock-value.ts";
import { lockBucket, oneTimeBucket, taskBucket } from "../protocol/subjects.ts";
import type { BucketOptions } from "./key-value.ts";

/** A task has few bytes; one that does not hear from the store soon loses its lease. */
export function taskBucketOptions(namespace: string): BucketOptions<LeaseValue> {
  return { name: taskBucket(namespace), bytes: 16 * 1024 * 1024, valueBytes: 4 * 1024, timeoutMs: 500, parse: parseLease };
}

/** Each lock that somebody has takes some 200 bytes there. */
export function lockBucketOptions(namespace: string): BucketOptions<LockValue> {
  return { name: lockBucket(namespace), bytes: 256 * 1024 * 1024, valueBytes: lockValueBytes, timeoutMs: 2_000, parse: parseLock };
}

const storedTicket = v.object({
  value: v.string(),
  /** Who has it. */
  taker: v.optional(v.string()),
});

export type StoredTicket = v.InferOutput<typeof storedTicket>;

/** They stay for five minutes after they were put, and again after they were taken. One that there is no room for cannot be put. */
export function oneTimeBucketOptions(namespace: string): BucketOptions<StoredTicket> {
  return {
    name: oneTimeBucket(namespace),
    bytes: 64 * 1024 * 1024,
    valueBytes: 16 * 1024,
    ageMs: 5 * 60_000,
    timeoutMs: 5_000,
    parse: (json) => {
      const parsed = v.safeParse(storedTicket, json);
      return parsed.success ? parsed.output : undefined;
    },
    unavailable: "auth.unavailable",
  };
}
