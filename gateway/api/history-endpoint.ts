// The endpoint that tells what a topic has kept.

import * as v from "valibot";
import { matchesAny } from "../../process/api-keys/patterns.ts";
import { type HistoryEntry, lastSchema, mostKeptMessages } from "../../protocol/history.ts";
import { checkTopic } from "../../protocol/subjects.ts";
import { ApiError, jsonAnswer } from "./api-error.ts";
import type { Endpoint } from "./endpoint.ts";
import { refuseCoded } from "./payload.ts";
import { topicSchema } from "./publishes.ts";

const usualLast = 100;

const kept = v.object({
  entries: v.array(
    v.object({
      position: v.pipe(v.string(), v.description("As app.history tells it")),
      at: v.pipe(v.string(), v.isoTimestamp(), v.description("When it was stored")),
      text: v.optional(v.pipe(v.string(), v.description("Of a text frame"))),
      base64: v.optional(v.pipe(v.string(), v.description("Of a binary frame"))),
    }),
  ),
});

export const historyEndpoint: Endpoint = {
  name: "history",
  method: "GET",
  path: "/history",
  summary: "The latest messages that a topic keeps, oldest first",
  query: {
    topic: { schema: topicSchema, isRequired: true },
    last: { schema: v.pipe(lastSchema, v.description(`So many; ${usualLast} without it`)), isRequired: false },
  },
  bodies: {},
  success: { status: 200, text: "What was stored before the call is in it", schema: kept },
  errors: ["api.invalid", "topic.invalid", "api.forbidden", "nats.away", "history.unavailable"],
  asksAll: false,
  run: ({ key, query }, actions) => {
    const topic = query.get("topic");
    if (topic === null) throw new ApiError("api.invalid", "the topic is missing: /history?topic=TOPIC");
    refuseCoded(() => checkTopic(topic));
    if (!matchesAny(key.rights.history, topic)) {
      throw new ApiError("api.forbidden", `this key may not ask for the history of ${JSON.stringify(topic)}`);
    }
    return actions.history(topic, wantedLast(query)).then((entries) => jsonAnswer(200, { entries: entries.map(shownOf) }));
  },
};

/** @throws {ApiError} "api.invalid" */
function wantedLast(query: URLSearchParams): number {
  const last = query.get("last") ?? String(usualLast);
  if (/^\d{1,4}$/.test(last) && v.is(lastSchema, Number(last))) return Number(last);
  throw new ApiError("api.invalid", `last is a number from 1 to ${mostKeptMessages}`);
}

function shownOf({ epoch, offset, at, data, isBinary }: HistoryEntry): object {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  const payload = isBinary ? { base64: bytes.toString("base64") } : { text: bytes.toString() };
  return { position: `${epoch}:${offset}`, at: new Date(at).toISOString(), ...payload };
}
