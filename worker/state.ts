// A connection's state where it enters a turn or leaves one: what a new connection begins with, what an adopted one brings
// along, what a turn may store. All of them are read-only copies: see read-only.ts. How they become bytes is state-codec.ts.

import { CodedError, isCodedError } from "../protocol/errors.ts";
import type { EarlierState } from "../protocol/kept-state.ts";
import type { Handler, Welcome } from "./handler.ts";
import { readOnlyCopy } from "./read-only.ts";
import { validateNow } from "./schema.ts";
import { decodeState } from "./state-codec.ts";

/** What a connection's state depends on. */
export type StateKeeper = Pick<Handler, "state" | "migrate">;

/**
 * The state of a new connection: what onUpgrade returned, else what the schema makes of `undefined`, else what migrate does.
 * @throws {CodedError} "state.invalid"
 */
export function initialState(handler: StateKeeper, welcome: Welcome | undefined): unknown {
  return readOnlyCopy(welcome?.state === undefined ? adoptState(handler, undefined) : validState(handler, welcome.state));
}

/**
 * The state of a connection that opened elsewhere, perhaps under another release. It is stored again only by a turn's own
 * setState: a release without a `state` schema sees undefined and leaves what is stored to the next one.
 * @throws {CodedError} "state.invalid", and whatever `migrate` throws.
 */
export function adoptState(handler: StateKeeper, stored: unknown): unknown {
  return adopt(handler, stored).state;
}

function adopt(handler: StateKeeper, stored: unknown): { state: unknown; isMigrated: boolean } {
  if (handler.state === undefined) return { state: undefined, isMigrated: false };
  try {
    return { state: validateNow(handler.state, stored, "state.invalid"), isMigrated: false };
  } catch (error) {
    if (handler.migrate === undefined || !isCodedError(error, "state.invalid")) throw error;
    return { state: validateNow(handler.state, handler.migrate(stored), "state.invalid"), isMigrated: true };
  }
}

/**
 * What a turn's setState is worth.
 * @param next a `readOnlyCopy`
 * @throws {CodedError} "state.invalid"
 */
export function checkState(handler: StateKeeper, next: unknown): unknown {
  const valid = validState(handler, next);
  return valid === next ? next : readOnlyCopy(valid);
}

function validState(handler: StateKeeper, next: unknown): unknown {
  if (handler.state !== undefined) return validateNow(handler.state, next, "state.invalid");
  if (next === undefined) return undefined;
  throw new CodedError("state.invalid", "this handler has no state schema: state: type<{ … }>() would be one");
}

export interface PinnedState {
  readonly state: unknown;
  /** `migrate` has made it of what is stored. */
  readonly isMigrated: boolean;
  /** The stored state neither fits nor migrates: what migrate throws is as good a reason. */
  readonly fault: CodedError | undefined;
}

/** What this release had left before another one replaced it, as its gateway tells after a rollback. */
export type OwnState = Pick<EarlierState, "state" | "isMigrated">;

/**
 * The state that a pinned connection's turns begin with, from what its gateway keeps. Where a `migrate` has changed its shape, what
 * this release had left itself goes first: its schema might take the other shape for its own.
 */
export function pinnedState(handler: StateKeeper, stored: Uint8Array | undefined, own?: OwnState): PinnedState {
  if (own === undefined) return storedState(handler, stored);
  const pinned = storedState(handler, own.isMigrated ? own.state : stored);
  if (pinned.fault === undefined) return pinned;
  const other = storedState(handler, own.isMigrated ? stored : own.state);
  return other.fault === undefined ? other : pinned;
}

function storedState(handler: StateKeeper, stored: Uint8Array | undefined): PinnedState {
  try {
    const { state, isMigrated } = adopt(handler, decodeState(stored));
    return { state: readOnlyCopy(state), isMigrated, fault: undefined };
  } catch (error) {
    const fault = isCodedError(error) ? error : new CodedError("state.invalid", "migrate threw", { cause: error });
    return { state: undefined, isMigrated: false, fault };
  }
}
