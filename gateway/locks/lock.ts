// What a gateway knows of one lock that connections of it want. Pure.

import type { Entry } from "../../protocol/key-value.ts";
import type { LockValue } from "../../protocol/lock-value.ts";
import type { Claim } from "./claim.ts";

/** What is wanted here of one lock. */
export interface Lock {
  readonly name: string;
  readonly key: string;
  /** By connection, in the order in which they came. */
  readonly claims: Map<string, Claim>;
  /** As it was when it was last read or replaced; undefined: it is to be read. */
  seen: Entry<LockValue> | undefined;
  /** What is on its way to the store. */
  putting: LockValue | undefined;
  /** Something has changed since the store was asked. */
  isStale: boolean;
  /** When it is looked at again. */
  lookAt: number;
  /** Until then, a put may be stored that nobody here wants any more. */
  doubtUntil: number;
}

const nothing: Entry<LockValue> = { value: undefined, revision: 0 };

export function newLock(name: string, key: string): Lock {
  return {
    name,
    key,
    claims: new Map(),
    // Mostly nobody has it: then one question is enough.
    seen: nothing,
    putting: undefined,
    isStale: false,
    lookAt: Number.POSITIVE_INFINITY,
    doubtUntil: 0,
  };
}
