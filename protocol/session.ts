// What a handler answers a request with that belongs to a connection over HTTP: the body of a `session` record.

import * as v from "valibot";
import { bytes, length, ownBytes, parser } from "./record-body.ts";
import { answerHeaders, status } from "./records.ts";
import { sessionKey as key } from "./session-key.ts";

/** Of one answer at most. */
export const receiveBytes = 64 * 1024 * 1024;
/** Of what stands before them. */
export const preludeBytes = 8 * 1024;
/** How long a session may be without a receiver, and how long what is left of it may be fetched, at most. */
export const longestSessionMs = 3_600_000;
/** How long what is left of a session may be fetched, where its handler does not say. */
export const usualLingerMs = 5_000;

const milliseconds = v.pipe(length, v.minValue(1), v.maxValue(longestSessionMs));
export const answer = v.object({ status, headers: answerHeaders, body: ownBytes });

/** What a session is closed with. */
const closing = v.object({
  code: v.pipe(v.number(), v.integer(), v.minValue(1000), v.maxValue(4999)),
  reason: v.string(),
  /** The last frame that receivers get. */
  last: v.optional(v.string()),
});

export const receive = v.object({
  /** The head of the answer. */
  status,
  headers: answerHeaders,
  /** poll: ends when it has given what waits. stream: goes on until it has given maxBytes, or the session has closed. */
  mode: v.picklist(["poll", "stream"]),
  /** Of frames, with what stands around them: the first frame that reaches it is the last one. */
  maxBytes: v.pipe(length, v.minValue(1), v.maxValue(receiveBytes)),
  /** The same in frames, joined ones counted once. */
  maxFrames: v.optional(v.pipe(length, v.minValue(1))),
  /** Written first. */
  prelude: v.optional(v.pipe(v.string(), v.maxBytes(preludeBytes))),
  /** Around each frame, and between two of them. */
  before: v.optional(v.string()),
  between: v.optional(v.string()),
  after: v.optional(v.string()),
  /** json: a frame is written as the inside of a JSON string. percent: each % as %25. */
  escape: v.optional(v.picklist(["json", "percent"])),
  /** In front of the base64 of a binary frame. */
  binaryBefore: v.optional(v.string()),
  /** Text frames that wait one behind the other, and begin and end so, become one. */
  join: v.optional(v.object({ begin: v.string(), between: v.string(), end: v.string() })),
  /** The answer where there is no such session; again: the handler is asked again, and told so. */
  missing: v.union([answer, v.literal("again")]),
  /** Where another request receives already: what this one is answered, and what the session is closed with. */
  busy: v.object({ response: v.optional(answer), frame: v.optional(v.string()), close: v.optional(closing) }),
  /** What the session is closed with when the client gives up this request; missing: it stays. */
  gone: v.optional(closing),
});

const session = v.variant("kind", [
  v.object({
    kind: v.literal("open"),
    key,
    user: v.optional(v.string()),
    /** As of `upgraded`. */
    state: v.optional(ownBytes),
    subprotocol: v.optional(v.string()),
    /** Milliseconds since 1970; 0: never. */
    expiresAt: v.pipe(v.number(), v.finite(), v.minValue(0)),
    /** For so long it may be without a receiver: then it is closed with 1006. */
    idleMs: milliseconds,
    linger: v.object({ ms: milliseconds, repeatLast: v.boolean() }),
    /** The last frame, however it is closed: {code} and {reason}, as JSON, are put in. */
    closeFrame: v.optional(v.string()),
    receive,
  }),
  v.object({ kind: v.literal("receive"), key, receive }),
  v.object({ kind: v.literal("deliver"), key, messages: v.array(v.union([v.string(), bytes])), response: answer, missing: answer }),
]);

export type SessionBody = v.InferOutput<typeof session>;
export type OpenSessionBody = Extract<SessionBody, { kind: "open" }>;
export type DeliverBody = Extract<SessionBody, { kind: "deliver" }>;
export type ReceiveBody = v.InferOutput<typeof receive>;
export type SessionClosing = v.InferOutput<typeof closing>;
export type AnswerBody = v.InferOutput<typeof answer>;

/** Throws CodedError "envelope.malformed" and nothing else. */
export const parseSession = parser(session);
