// What a call asks to publish: from JSON, or raw bytes with the topic in the URL. Checked whole before any of it is sent. Pure.

import * as v from "valibot";
import { matchesAny } from "../../process/api-keys/patterns.ts";
import { mostKeptMessages, mostKeptSeconds, type Retention, retentionSchema } from "../../protocol/history.ts";
import { checkTopic, topicLimitBytes } from "../../protocol/subjects.ts";
import { ApiError } from "./api-error.ts";
import { checkPayload, type Payload, parsePayload, payloadEntries, rawPayload, refuseCoded } from "./payload.ts";

/** Publishes of one call. */
export const manyLimit = 1_000;

export interface Publish extends Payload {
  readonly topic: string;
  /** undefined: only those who subscribe now get it. */
  readonly keep?: Retention;
}

export type KeptPublish = Publish & { readonly keep: Retention };

export const topicSchema = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(topicLimitBytes),
  v.description(`At most ${topicLimitBytes} bytes of UTF-8`),
);

const keepSchema = v.pipe(
  v.strictObject(retentionSchema.entries),
  v.description("The topic keeps it, with so many before it, for so long"),
);

/** One publish as JSON has it. */
export const publishSchema = v.strictObject({ topic: topicSchema, ...payloadEntries, keep: v.optional(keepSchema) });

/** Of a raw publish: both or none. */
export const keepQuery = {
  keepMessages: { schema: retentionSchema.entries.messages, isRequired: false },
  keepSeconds: { schema: retentionSchema.entries.seconds, isRequired: false },
};

export const manySchema = v.strictObject({ messages: v.pipe(v.array(publishSchema), v.minLength(1), v.maxLength(manyLimit)) });

/**
 * @param where "messages.3": for the error; empty: it is the whole body.
 * @throws {ApiError} "api.invalid", "topic.invalid"
 */
export function parsePublish(body: v.InferOutput<typeof publishSchema>, where = ""): Publish {
  const payload = parsePayload(body, where);
  refuseCoded(() => checkTopic(body.topic));
  return { topic: body.topic, ...payload, ...(body.keep && { keep: body.keep }) };
}

/** @throws {ApiError} "api.invalid", "topic.invalid" */
export function rawPublish(topic: string, payload: Payload, query: URLSearchParams): Publish {
  refuseCoded(() => checkTopic(topic));
  const keep = queriedKeep(query);
  return { topic, ...rawPayload(payload.data, payload.isBinary), ...(keep && { keep }) };
}

/**
 * Whether a call's publishes are kept. A call that fails half-way is to be safe to send again, which holds for kept ones only.
 * @throws {ApiError} "api.invalid" where some of them are.
 */
export function areKept(publishes: readonly Publish[]): publishes is readonly KeptPublish[] {
  const count = publishes.filter(({ keep }) => keep !== undefined).length;
  if (count === 0 || count === publishes.length) return count > 0;
  throw new ApiError("api.invalid", "either all messages of a call have keep, or none has: make two calls");
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

/** @throws {ApiError} "api.invalid" */
function queriedKeep(query: URLSearchParams): Retention | undefined {
  const [messages, seconds] = [query.get("keepMessages"), query.get("keepSeconds")];
  if (messages === null && seconds === null) return undefined;
  const numberOf = (text: string | null) => (/^\d{1,7}$/.test(text ?? "") ? Number(text) : Number.NaN);
  const parsed = v.safeParse(retentionSchema, { messages: numberOf(messages), seconds: numberOf(seconds) });
  if (parsed.success) return parsed.output;
  const what = `keepMessages (1 to ${mostKeptMessages}) and keepSeconds (1 to ${mostKeptSeconds})`;
  throw new ApiError("api.invalid", `a publish that is to be kept has both ${what}, whole numbers`);
}
