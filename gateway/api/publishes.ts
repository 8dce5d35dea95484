// What a call asks to publish: from JSON, or raw bytes with the topic in the URL. Checked whole before any of it is sent. Pure.

import * as v from "valibot";
import { matchesAny } from "../../process/api-keys/patterns.ts";
import { checkTopic, topicLimitBytes } from "../../protocol/subjects.ts";
import { ApiError } from "./api-error.ts";
import { checkPayload, type Payload, parsePayload, payloadEntries, rawPayload, refuseCoded } from "./payload.ts";

/** Publishes of one call. */
export const manyLimit = 1_000;

export interface Publish extends Payload {
  readonly topic: string;
}

export const topicSchema = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(topicLimitBytes),
  v.description(`At most ${topicLimitBytes} bytes of UTF-8`),
);

/** One publish as JSON has it. */
export const publishSchema = v.strictObject({ topic: topicSchema, ...payloadEntries });

export const manySchema = v.strictObject({ messages: v.pipe(v.array(publishSchema), v.minLength(1), v.maxLength(manyLimit)) });

/**
 * @param where "messages.3": for the error; empty: it is the whole body.
 * @throws {ApiError} "api.invalid", "topic.invalid"
 */
export function parsePublish(body: v.InferOutput<typeof publishSchema>, where = ""): Publish {
  const payload = parsePayload(body, where);
  refuseCoded(() => checkTopic(body.topic));
  return { topic: body.topic, ...payload };
}

/** @throws {ApiError} "api.invalid", "topic.invalid" */
export function rawPublish(topic: string, data: Uint8Array, isBinary: boolean): Publish {
  refuseCoded(() => checkTopic(topic));
  return { topic, ...rawPayload(data, isBinary) };
}

/** @throws {ApiError} "api.forbidden" for the first topic that no pattern allows; "message.tooLarge" */
export function checkPublishes(publishes: readonly Publish[], allowed: readonly string[], limitBytes: number): void {
  for (const publish of publishes) {
    if (!matchesAny(allowed, publish.topic)) {
      throw new ApiError("api.forbidden", `this key may not publish to ${JSON.stringify(publish.topic)}`);
    }
    checkPayload(publish, limitBytes);
  }
}
