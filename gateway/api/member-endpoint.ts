// The endpoint that tells who the members of a topic are.

import * as v from "valibot";
import { matchesAny } from "../../process/api-keys/patterns.ts";
import { checkTopic } from "../../protocol/subjects.ts";
import { ApiError, jsonAnswer } from "./api-error.ts";
import type { Endpoint } from "./endpoint.ts";
import { decodeCursor, encodeCursor, type PageWanted } from "./member-pages.ts";
import { refuseCoded } from "./payload.ts";
import { topicSchema } from "./publishes.ts";

const usualLimit = 100;
const mostLimit = 1_000;

const page = v.object({
  members: v.array(
    v.object({
      id: v.pipe(v.string(), v.description("Of the connection")),
      gateway: v.string(),
      user: v.optional(v.string()),
      info: v.pipe(v.unknown(), v.description("What the handler tells of it: `as`")),
      since: v.pipe(v.string(), v.isoTimestamp(), v.description("When it became a member")),
    }),
  ),
  next: v.optional(v.pipe(v.string(), v.description("The cursor of the next page; missing: that was all"))),
});

export const membersEndpoint: Endpoint = {
  name: "members",
  method: "GET",
  path: "/members",
  summary: "Who the members of a topic are, on all gateways",
  query: {
    topic: { schema: topicSchema, isRequired: true },
    limit: {
      schema: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(mostLimit), v.description(`Of one page; ${usualLimit} without it`)),
      isRequired: false,
    },
    cursor: { schema: v.pipe(v.string(), v.description("`next` of the page before")), isRequired: false },
  },
  bodies: {},
  success: { status: 200, text: "One page of them", schema: page },
  errors: ["api.invalid", "topic.invalid", "api.forbidden", "nats.away", "api.unanswered", "api.busy", "gateway.outdated"],
  asksAll: true,
  run: ({ key, query }, actions) => {
    const topic = query.get("topic");
    if (topic === null) throw new ApiError("api.invalid", "the topic is missing: /members?topic=TOPIC");
    refuseCoded(() => checkTopic(topic));
    if (!matchesAny(key.rights.members, topic)) {
      throw new ApiError("api.forbidden", `this key may not ask for the members of ${JSON.stringify(topic)}`);
    }
    return actions
      .members(topic, wantedPage(query))
      .then(({ members, next }) => jsonAnswer(200, { members, ...(next && { next: encodeCursor(next) }) }));
  },
};

/** @throws {ApiError} "api.invalid" */
function wantedPage(query: URLSearchParams): PageWanted {
  const limit = query.get("limit") ?? String(usualLimit);
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > mostLimit) {
    throw new ApiError("api.invalid", `limit is a number from 1 to ${mostLimit}`);
  }
  const given = query.get("cursor");
  const cursor = given === null ? undefined : decodeCursor(given);
  if (given !== null && cursor === undefined) throw new ApiError("api.invalid", "cursor is not `next` of a page before");
  return { limit: Number(limit), cursor };
}
