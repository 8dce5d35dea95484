// What a call asks to publish: from JSON, or raw bytes with the topic in the URL. Checked whole before any of it is sent. Pure.

import { isUtf8 } from "node:buffer";
import * as v from "valibot";
import { matchesPattern } from "../../process/api-keys/patterns.ts";
import { CodedError } from "../../protocol/errors.ts";
import { checkTopic, topicLimitBytes } from "../../protocol/subjects.ts";
import { ApiError } from "./api-error.ts";

/** Publishes of one call. */
export const manyLimit = 1_000;

export interface Publish {
  readonly topic: string;
  readonly data: Uint8Array;
  readonly isBinary: boolean;
}

/**
 * Base64 of RFC 4648, section 4, with its padding; `parsePublish` looks at its length. A pattern that counts in fours would run out of stack
 * from 5 MiB on.
 */
const base64 = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]*={0,2}$/, "base64 with padding"));

/** One publish as JSON has it. Exactly one of `data`, `text` and `base64` is given: see `parsePublish`. */
export const publishSchema = v.strictObject({
  topic: v.pipe(v.string(), v.minLength(1), v.maxLength(topicLimitBytes), v.description(`At most ${topicLimitBytes} bytes of UTF-8`)),
  data: v.optional(v.pipe(v.unknown(), v.description("Any value: subscribers get a text frame with its JSON"))),
  text: v.optional(v.pipe(v.string(), v.description("Subscribers get a text frame with this text"))),
  base64: v.optional(v.pipe(base64, v.description("Subscribers get a binary frame with these bytes"))),
});

export const manySchema = v.strictObject({ messages: v.pipe(v.array(publishSchema), v.minLength(1), v.maxLength(manyLimit)) });

const payloadNames = ["data", "text", "base64"] as const;

/**
 * @param where "messages.3": for the error; empty: it is the whole body.
 * @throws {ApiError} "api.invalid", "topic.invalid"
 */
export function parsePublish(body: v.InferOutput<typeof publishSchema>, where = ""): Publish {
  const given = payloadNames.filter((name) => body[name] !== undefined);
  if (given.length !== 1) {
    const told = given.length === 0 ? "none" : given.join(" and ");
    throw new ApiError("api.invalid", `${where === "" ? "" : `${where}: `}exactly one of data, text and base64 is given, not ${told}`);
  }
  if (body.base64 !== undefined && body.base64.length % 4 !== 0) {
    throw new ApiError("api.invalid", `${where === "" ? "" : `${where}.`}base64: base64 with padding`);
  }
  refuseTopic(body.topic);
  if (body.base64 !== undefined) return { topic: body.topic, data: Buffer.from(body.base64, "base64"), isBinary: true };
  return { topic: body.topic, data: Buffer.from(body.text ?? JSON.stringify(body.data)), isBinary: false };
}

/** @throws {ApiError} "api.invalid" where text is not UTF-8, which would close its receivers' connections; "topic.invalid" */
export function rawPublish(topic: string, data: Uint8Array, isBinary: boolean): Publish {
  refuseTopic(topic);
  if (!isBinary && !isUtf8(data)) throw new ApiError("api.invalid", "text/plain is UTF-8: send other bytes as application/octet-stream");
  return { topic, data, isBinary };
}

/** @throws {ApiError} "api.invalid" with the place of the first mistake. */
export function parseJson<Schema extends v.GenericSchema>(schema: Schema, body: Uint8Array): v.InferOutput<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new ApiError("api.invalid", "the body is not JSON in UTF-8");
  }
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  throw new ApiError("api.invalid", path === null ? issue.message : `${path}: ${issue.message}`);
}

/** @throws {ApiError} "api.forbidden" for the first topic that no pattern allows; "message.tooLarge" */
export function checkPublishes(publishes: readonly Publish[], allowed: readonly string[], limitBytes: number): void {
  for (const { topic, data } of publishes) {
    if (!allowed.some((pattern) => matchesPattern(pattern, topic))) {
      throw new ApiError("api.forbidden", `this key may not publish to ${JSON.stringify(topic)}`);
    }
    if (data.length > limitBytes) {
      throw new ApiError("message.tooLarge", `a message has at most ${limitBytes} bytes (MESSAGE_BYTES), this one has ${data.length}`);
    }
  }
}

function refuseTopic(topic: string): void {
  try {
    checkTopic(topic);
  } catch (error) {
    if (error instanceof CodedError) throw new ApiError("topic.invalid", error.message.replace(/^topic\.invalid: /, ""));
    throw error;
  }
}
