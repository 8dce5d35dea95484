// A connection's state where it enters a turn or leaves one: what a new connection begins with, what an adopted one brings
// along, what a turn may store. Encoding and its limit in bytes are the turn's.

import { CodedError, isCodedError } from "../protocol/errors.ts";
import { unpackValue } from "../protocol/msgpack.ts";
import type { Handler, Welcome } from "./handler.ts";
import { validateNow } from "./schema.ts";

/** What a connection's state depends on. */
export type StateKeeper = Pick<Handler, "state" | "migrate">;

/**
 * The state of a new connection: what onUpgrade returned, else what the schema makes of `undefined`, else what migrate does.
 * @throws {CodedError} "state.invalid"
 */
export function initialState(handler: StateKeeper, welcome: Welcome | undefined): unknown {
  if (welcome?.state !== undefined) return checkState(handler, welcome.state);
  return adoptState(handler, undefined);
}

/**
 * The state of a connection that opened elsewhere, perhaps under another release. It is stored again only by a turn's own
 * setState: a release without a `state` schema sees undefined and leaves what is stored to the next one.
 * @throws {CodedError} "state.invalid", and whatever `migrate` throws.
 */
export function adoptState(handler: StateKeeper, stored: unknown): unknown {
  if (handler.state === undefined) return undefined;
  try {
    return validateNow(handler.state, stored, "state.invalid");
  } catch (error) {
    if (handler.migrate === undefined || !isCodedError(error, "state.invalid")) throw error;
    return validateNow(handler.state, handler.migrate(stored), "state.invalid");
  }
}

/**
 * What a turn's setState is worth.
 * @throws {CodedError} "state.invalid"
 */
export function checkState(handler: StateKeeper, next: unknown): unknown {
  if (handler.state !== undefined) return validateNow(handler.state, next, "state.invalid");
  if (next === undefined) return undefined;
  throw new CodedError("state.invalid", "this handler has no state schema: state: type<{ … }>() would be one");
}

/**
 * The state that a pinned connection's turns begin with, from what its gateway keeps.
 * @returns with a fault where the stored state neither fits nor migrates: what migrate throws is as good a reason.
 */
export function pinnedState(handler: StateKeeper, stored: Uint8Array | undefined): { state: unknown; fault: CodedError | undefined } {
  try {
    return { state: deepFreeze(adoptState(handler, stored === undefined ? undefined : unpackValue(stored))), fault: undefined };
  } catch (error) {
    const fault = isCodedError(error) ? error : new CodedError("state.invalid", "migrate threw", { cause: error });
    return { state: undefined, fault };
  }
}

/**
 * A handler that changes its state in place would change it for nobody but this worker: it gets a TypeError instead.
 * @param value has been encoded, so there are no cycles in it.
 */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
