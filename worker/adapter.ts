// What an adapter of another protocol is written with, beside handler.ts and session.ts: everything under adapters/ imports from these,
// from files.ts, and from nowhere else in thinstate (adapters/layers.test.ts). Each is explained where it comes from:
//
//   errors with a code, as operations and `lastErrors` count them         CodedError, isCodedError
//   what a client's text, bytes and values become                         ReceivedMessage, parseJson, jsonOf, viewOf, validate
//   hooks that may wait, or not                                           after, allOf, isThenable
//   a handler's options and objects, with an adapter's in front of them   checkEvery, InFrontOf, PathParams, upgradeRequestOfHttp
//   whose pages may use what is answered over HTTP (RFC 6454)              matchesOrigin, pageFault
//   a line in the worker's log for what clients are refused with         warn
//   how long names and reasons may be, in bytes of UTF-8                  topicLimitBytes, reasonLimitBytes

export { pageFault } from "../process/page-origin.ts";
export { reasonLimitBytes } from "../protocol/close-code.ts";
export { CodedError, type ErrorCode, isCodedError } from "../protocol/errors.ts";
export { checkEvery } from "../protocol/heartbeat.ts";
export { matchesOrigin } from "../protocol/origins.ts";
export type { PathParams } from "../protocol/route-table.ts";
export { topicLimitBytes } from "../protocol/subjects.ts";
export { jsonOf } from "./effects.ts";
export { InFrontOf } from "./in-front-of.ts";
export { viewOf } from "./kinds-of-bytes.ts";
export { parseJson, ReceivedMessage } from "./message.ts";
export { validate } from "./schema.ts";
export { after, allOf, isThenable } from "./thenable.ts";
export { upgradeRequestOfHttp } from "./upgrade-request.ts";
export { warn } from "./warnings.ts";
