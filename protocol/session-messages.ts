// What gateways tell each other of requests for sessions over HTTP: the gateway that a request has reached, and the one that has its
// session. Each may be lost, and comes again until it is answered.

import * as v from "valibot";
import { memberId } from "./membership.ts";
import { messageFormat } from "./message-format.ts";
import { bytes, length } from "./record-body.ts";
import { answer, receive } from "./session.ts";
import { sessionKey } from "./session-key.ts";

/** A piece of an answer has no more bytes of its body. */
export const pieceBytes = 64 * 1024;

/** Of a word that probes whether a gateway listens: requests are counted from the next number on. */
export const probeNumber = 0;

const from = v.pipe(v.string(), v.regex(memberId));
const name = { from, number: length };
const headers = v.array(v.tuple([v.string(), v.string()]));

/** To whoever has the session of this key. `number` counts the requests of the gateway that asks. */
const question = v.object({
  ...name,
  key: sessionKey,
  /** Either of them. */
  receive: v.optional(receive),
  deliver: v.optional(v.array(v.union([v.string(), bytes]))),
  /** What it asked to deliver below this number, it does not ask again. */
  settled: v.optional(length),
});

/** Of an answer, in order: whole; or its head, its body, and its end. */
const piece = v.variant("is", [
  v.object({ is: v.literal("answer"), answer }),
  v.object({ is: v.literal("head"), status: v.number(), headers, length: v.optional(length), first: v.optional(bytes) }),
  v.object({ is: v.literal("bytes"), bytes }),
  v.object({ is: v.literal("end") }),
  v.object({ is: v.literal("cut") }),
]);

/** To one gateway: of the request `number` of the one that has asked. `from` is who says it. */
const word = v.variant("kind", [
  v.object({ kind: v.literal("piece"), ...name, seq: length, piece }),
  /** The request is known, and waits. */
  v.object({ kind: v.literal("held"), ...name }),
  v.object({ kind: v.literal("delivered"), ...name, isThere: v.boolean() }),
  /**
   * Pieces up to `seq` have come; of their bodies the client has taken so many bytes. leaves: the gateway that says so ends soon, and a
   * stream is to end, too. Older gateways ignore it.
   */
  v.object({ kind: v.literal("ack"), ...name, seq: length, taken: length, leaves: v.optional(v.boolean()) }),
  /** Nobody waits for this answer any more. leaves: since the gateway ends; its client comes to another one. Older gateways ignore it. */
  v.object({ kind: v.literal("gone"), ...name, leaves: v.optional(v.boolean()) }),
]);

export type SessionQuestion = Readonly<v.InferOutput<typeof question>>;
export type SessionPiece = Readonly<v.InferOutput<typeof piece>>;
export type SessionWord = Readonly<v.InferOutput<typeof word>>;

export const { encode: encodeSessionQuestion, parse: parseSessionQuestion } = messageFormat("S", "a question about a session", question);
export const { encode: encodeSessionWord, parse: parseSessionWord } = messageFormat("s", "of a session", word);
