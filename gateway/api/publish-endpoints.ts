// The endpoints that publish.

import * as v from "valibot";
import type { Answer } from "../uws/waiting-client.ts";
import { ApiError, jsonAnswer } from "./api-error.ts";
import { type ApiActions, type ApiCall, bytesType, type Endpoint, jsonType, textType } from "./endpoint.ts";
import { parseJson } from "./payload.ts";
import {
  areKept,
  checkPublishes,
  keepQuery,
  manyLimit,
  manySchema,
  type Publish,
  parsePublish,
  publishSchema,
  rawPublish,
  topicSchema,
} from "./publishes.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const published = v.object({ published: v.pipe(count, v.description("Messages that the gateway has taken")) });
/** Of a publish that is to be kept. */
const keepErrors = ["history.tooMany", "history.unavailable", "history.total"] as const;
const errors = ["topic.invalid", "message.tooLarge", "api.forbidden", "nats.away", ...keepErrors] as const;
const accepted = {
  status: 202,
  text: "The gateway has it: subscribers get it in order, once. With `keep`: it is stored",
  schema: published,
};

const publish: Endpoint = {
  name: "publish",
  method: "POST",
  path: "/publish",
  summary: "Publish one message to a topic",
  query: { topic: { schema: v.pipe(topicSchema, v.description("Of a raw body")), isRequired: false }, ...keepQuery },
  bodies: { [jsonType]: publishSchema, [bytesType]: "bytes", [textType]: "text" },
  success: accepted,
  errors,
  asksAll: false,
  run: (call, actions) => send([publishOf(call)], call, actions),
};

const publishTo: Endpoint = {
  name: "publishTo",
  method: "POST",
  path: "/publish/{topic}",
  summary: "Publish raw bytes, or text, to the topic of the path",
  query: keepQuery,
  bodies: { [bytesType]: "bytes", [textType]: "text" },
  success: accepted,
  errors,
  asksAll: false,
  run: publish.run,
};

const publishMany: Endpoint = {
  name: "publishMany",
  method: "POST",
  path: "/publish-many",
  summary: `Publish up to ${manyLimit} messages: all of them, in order, or none`,
  bodies: { [jsonType]: manySchema },
  success: { ...accepted, text: "The gateway has all of them" },
  errors,
  asksAll: false,
  run: (call, actions) => {
    const { messages } = parseJson(manySchema, call.body);
    return send(
      messages.map((message, index) => parsePublish(message, `messages.${index}`)),
      call,
      actions,
    );
  },
};

export const publishEndpoints = [publish, publishTo, publishMany] as const;

/** @throws {ApiError} "api.invalid" */
function publishOf({ target, query, mediaType, body }: ApiCall): Publish {
  const topic = target ?? query.get("topic") ?? undefined;
  if (mediaType === jsonType) {
    if (topic !== undefined) throw new ApiError("api.invalid", "JSON names its topic itself: leave it out of the URL");
    if (query.has("keepMessages") || query.has("keepSeconds")) {
      throw new ApiError("api.invalid", "JSON says itself what to keep: { keep: { messages, seconds } }");
    }
    return parsePublish(parseJson(publishSchema, body));
  }
  if (topic === undefined) {
    throw new ApiError("api.invalid", "raw bytes need their topic in the URL: /publish/TOPIC or /publish?topic=TOPIC");
  }
  return rawPublish(topic, { data: body, isBinary: mediaType === bytesType }, query);
}

function send(publishes: readonly Publish[], { key, once }: ApiCall, actions: ApiActions): Answer | Promise<Answer> {
  checkPublishes(publishes, key.rights.publish, actions.messageBytes());
  const answer = jsonAnswer(accepted.status, { published: publishes.length });
  if (areKept(publishes)) return actions.keep(publishes, once).then(() => answer);
  for (const one of publishes) actions.publish(one);
  return answer;
}
