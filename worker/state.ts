// A connection's state where it enters a turn or leaves one: what a new connection begins with, what an adopted one brings
// along, what a turn may store. All of them are read-only copies: see read-only.ts. How they become bytes is state-codec.ts.

import { CodedError, isCodedError } from "../protocol/errors.ts";
import type { FoundState } from "../protocol/kept-state.ts";
import type { Handler, Welcome } from "./handler.ts";
import { readOnlyCopy } from "./read-only.ts";
import { validateNow } from "./schema.ts";
import { decodeState } from "./state-codec.ts";

/** What a connection's state depends on. */
export type StateDefinition = Pick<Handler, "state" | "migrate">;

/**
 * The state of a new connection: what onUpgrade returned, else what the schema makes of `undefined`, else what migrate does.
 * @throws {CodedError} "state.invalid"
 */
export function initialState(handler: StateDefinition, welcome: Welcome | undefined): unknown {
  return readOnlyCopy(welcome?.state === undefined ? adoptState(handler, undefined) : validState(handler, welcome.state));
}

/**
 * The state of a connection that opened elsewhere, perhaps under another release. It is stored again only by a turn's own
 * setState: a release without a `state` schema sees undefined and leaves what is stored to the next one.
 * @throws {CodedError} "state.invalid", and whatever `migrate` throws.
 */
export function adoptState(handler: StateDefinition, stored: unknown): unknown {
  return adopt(handler, stored, "state.invalid").state;
}

function adopt(
  handler: StateDefinition,
  stored: unknown,
  code: "state.invalid" | "state.incompatible",
): { state: unknown; isMigrated: boolean } {
  if (handler.state === undefined) return { state: undefined, isMigrated: false };
  try {
    return { state: validateNow(handler.state, stored, code), isMigrated: false };
  } catch (error) {
    if (handler.migrate === undefined || !isCodedError(error, code)) throw error;
    return { state: validateNow(handler.state, handler.migrate(stored), code), isMigrated: true };
  }
}

/**
 * What a turn's setState is worth.
 * @param next a `readOnlyCopy`
 * @throws {CodedError} "state.invalid"
 */
export function checkState(handler: StateDefinition, next: unknown): unknown {
  const valid = validState(handler, next);
  return valid === next ? next : readOnlyCopy(valid);
}

function validState(handler: StateDefinition, next: unknown): unknown {
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

/** The state that a pinned connection's turns begin with, from what its gateway keeps. @param own as in FoundState. */
export function pinnedState(handler: StateDefinition, stored: Uint8Array | undefined, own?: FoundState["own"]): PinnedState {
  const pinned = storedState(handler, stored);
  if (pinned.fault === undefined || own === undefined) return pinned;
  const left = storedState(handler, own.state);
  return left.fault === undefined ? left : pinned;
}

function storedState(handler: StateDefinition, stored: Uint8Array | undefined): PinnedState {
  try {
    const { state, isMigrated } = adopt(handler, decodeState(stored), "state.incompatible");
    return { state: readOnlyCopy(state), isMigrated, fault: undefined };
  } catch (error) {
    const text = handler.migrate === undefined ? "the state cannot be read" : "migrate threw";
    const fault = isCodedError(error, "state.incompatible") ? error : new CodedError("state.incompatible", text, { cause: error });
    return { state: undefined, isMigrated: false, fault };
  }
}
