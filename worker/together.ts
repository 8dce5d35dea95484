// Frames that belong together: what handlers make of several messages, and send or publish as one.

import { CodedError } from "../protocol/errors.ts";
import { togetherLimit } from "../protocol/together.ts";
import type { Sendable } from "./message-types.ts";

// Handlers may have another copy of this file than the worker that runs them.
const parts = Symbol.for("thinstate.together");

/** What `together` makes: for send, publish, app.send, app.publish and app.sendToUser. */
export interface Together {
  readonly [parts]: readonly Sendable[];
}

/**
 * A message of several frames, a header and what is attached to it, say: whoever gets it gets them one behind the other, with nothing
 * between them. As large as one message at most. A topic cannot `keep` it.
 * @param rest At most 64. @throws {CodedError} "together.invalid"
 */
export function together(first: Sendable, ...rest: readonly Sendable[]): Together {
  const all = [first, ...rest];
  if (all.length > togetherLimit) throw invalid(`are at most ${togetherLimit}, not ${all.length}`);
  if (all.some(isTogether)) throw invalid("are single ones: put all of them into one call");
  return Object.freeze({
    [parts]: Object.freeze(all),
    toJSON() {
      throw invalid("are a message of their own, no part of another one");
    },
  });
}

export function isTogether(data: unknown): data is Together {
  return typeof data === "object" && data !== null && parts in data;
}

export function partsOf(data: Together): readonly Sendable[] {
  return data[parts];
}

export function invalid(what: string): CodedError {
  return new CodedError("together.invalid", `frames that belong together ${what}`);
}
