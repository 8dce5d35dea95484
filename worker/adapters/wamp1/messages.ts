// The messages of WAMP 1, by the names of their types. Source: the WAMP v1 specification.

import * as v from "valibot";

export const WELCOME = 0;
export const PREFIX = 1;
export const CALL = 2;
export const CALLRESULT = 3;
export const CALLERROR = 4;
export const SUBSCRIBE = 5;
export const UNSUBSCRIBE = 6;
export const PUBLISH = 7;
export const EVENT = 8;

/** Of one with a long prefix there is room for less: see topics.ts. */
export const uriBytes = 240;
// Half a surrogate pair is no UTF-8, and no name of a topic.
const uri = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxBytes(uriBytes),
  v.check((text) => text.isWellFormed()),
);

// A state has no such key.
const prefix = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxBytes(64),
  v.notValue("__proto__"),
  v.check((text) => text.isWellFormed()),
);
/** How deep an event or an argument may be nested. What overflows a stack cannot be sent on. */
const depthLimit = 200;
const value = v.custom<unknown>((given) => given !== undefined && !isDeeper(given, depthLimit));
/** Whatever can be no session's is nobody's. */
const sessionIds = v.pipe(
  v.array(v.string()),
  v.maxLength(100),
  v.filterItems((id) => /^\w{1,99}-\w{1,20}-\w{1,20}$/.test(id)),
);

/** What a client may send. */
export const clientMessage = v.union([
  v.strictTuple([v.literal(PREFIX), prefix, uri]),
  v.tupleWithRest([v.literal(CALL), v.pipe(v.string(), v.maxBytes(256)), uri], value),
  v.strictTuple([v.literal(SUBSCRIBE), uri]),
  v.strictTuple([v.literal(UNSUBSCRIBE), uri]),
  v.strictTuple([v.literal(PUBLISH), uri, value]),
  v.strictTuple([v.literal(PUBLISH), uri, value, v.union([v.boolean(), sessionIds])]),
  // AutobahnJS has a list where eligible follows; Ratchet and AutobahnPython take excludeMe there, too.
  v.strictTuple([v.literal(PUBLISH), uri, value, v.union([v.boolean(), sessionIds]), sessionIds]),
]);

export type ClientMessage = v.InferOutput<typeof clientMessage>;
export type PublishMessage = readonly [typeof PUBLISH, string, unknown, (boolean | readonly string[])?, (readonly string[])?];

function isDeeper(given: unknown, levels: number): boolean {
  if (typeof given !== "object" || given === null) return false;
  return levels === 0 || Object.values(given).some((each) => isDeeper(each, levels - 1));
}
