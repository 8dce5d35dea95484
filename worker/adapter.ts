// What an adapter of another protocol is written with, beside handler.ts and session.ts: everything under adapters/ imports from these,
// from files.ts, and from nowhere else in thinstate (adapters/layers.test.ts).

/** Limits that names and reasons on the wire have, in bytes of UTF-8. */
export { reasonLimitBytes } from "../protocol/close-code.ts";
/** Errors with a code, as operations and `lastErrors` count them: docs/errors.md. */
export { CodedError, type ErrorCode, isCodedError } from "../protocol/errors.ts";
export { checkEvery } from "../protocol/heartbeat.ts";
/** Whose pages may read an answer over HTTP (RFC 6454). */
export { isOfWeb, isSameOrigin, matchesOrigin, parseOrigin } from "../protocol/origins.ts";
/** A handler's options and objects, with the adapter's own in front of them. */
export type { PathParams } from "../protocol/route-table.ts";
export { topicLimitBytes } from "../protocol/subjects.ts";
/** What a client's text, bytes and values become, with the checks that handlers have. */
export { jsonOf } from "./effects.ts";
export { InFrontOf } from "./in-front-of.ts";
export { viewOf } from "./kinds-of-bytes.ts";
export { parseJson, ReceivedMessage } from "./message.ts";
export { validate } from "./schema.ts";
/** Hooks that may wait, or not. */
export { after, allOf, isThenable } from "./thenable.ts";
export { upgradeRequestOfHttp } from "./upgrade-request.ts";
