// A small store that all processes of an installation share, for what one of them may have at a time: a value is replaced only by who has
// seen the one before.

import { CodedError } from "./errors.ts";

/** The store has not answered, or not yet: it is there, and what it holds will be found. Any other failure may be for good. */
export class SilentStoreError extends CodedError {}

/** What a key has now. */
export interface Entry<Value> {
  /** undefined: nothing, or what is no such value. */
  readonly value: Value | undefined;
  /** Grows with each change of any key; 0: there never was one of this key. */
  readonly revision: number;
}

export interface KeyValueStore<Value> {
  /** @param key Letters, digits, `-`, `_` and `=`. @throws {CodedError} "store.unavailable" */
  get(key: string): Promise<Entry<Value>>;
  /**
   * @param revision The one that is replaced.
   * @returns The new revision; undefined: somebody else was faster.
   * @throws {CodedError} "store.unavailable": it may have happened.
   */
  replace(key: string, value: Value, revision: number): Promise<number | undefined>;
  /**
   * Hears what others would put, as it is sent: some is never heard, and some is not stored.
   * @returns what ends it.
   */
  hear(listener: (key: string, value: Value) => void): () => void;
  /** @returns whether a key's entry had this revision, and is no more; else somebody else was faster. @throws {CodedError} "store.unavailable" */
  remove(revision: number): Promise<boolean>;
  /** Every key that has a value now, one after the other. @throws {CodedError} "store.unavailable" */
  each(visit: (key: string, entry: Entry<Value>) => Promise<void>): Promise<void>;
  /** When it was made: another one with the same name has been made later. Ms since 1970. @throws {CodedError} "store.unavailable" */
  createdAt(): Promise<number>;
  /** What is above every revision of a store that was lost, and of this one until now: ms since 1970 of its creation, and its last revision. */
  readonly floor: () => Promise<number>;
}
