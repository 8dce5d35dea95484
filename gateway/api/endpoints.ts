// What the HTTP API has: one table, by which calls are routed and checked, and from which the OpenAPI document is made.

import * as v from "valibot";
import type { ApiKey } from "../../process/api-keys/key-file.ts";
import { isTopic, topicLimitBytes } from "../../protocol/subjects.ts";
import type { Answer } from "../uws/waiting-client.ts";
import { type ApiCode, ApiError, jsonAnswer } from "./api-error.ts";
import { checkPublishes, manyLimit, manySchema, type Publish, parseJson, parsePublish, publishSchema, rawPublish } from "./publishes.ts";

/** What the gateway lends to the API. */
export interface ApiActions {
  /** To every subscriber, here and elsewhere. */
  readonly publish: (publish: Publish) => void;
  readonly counts: () => { readonly connections: number; readonly topics: number };
  /** MESSAGE_BYTES, as it is now. */
  readonly messageBytes: () => number;
}

/** One call, whose key is known and whose body is whole. */
export interface ApiCall {
  readonly key: ApiKey;
  /** The topic in the URL, from path or query; undefined where there is none. */
  readonly topic: string | undefined;
  /** One of the endpoint's; empty where it takes no body. */
  readonly mediaType: string;
  readonly body: Uint8Array;
}

export interface Endpoint {
  /** The OpenAPI operationId. */
  readonly name: string;
  readonly method: "GET" | "POST";
  /** Below the base: "/publish/{topic}", the topic in percent-encoding. */
  readonly path: string;
  readonly summary: string;
  /** Whether the topic may, or has to, be in the query. */
  readonly query?: "optional" | undefined;
  /** By media type; undefined: no body. Schemas are of JSON, the others are taken as they are. */
  readonly bodies: Readonly<Record<string, v.GenericSchema | "bytes" | "text">>;
  readonly success: { readonly status: number; readonly text: string; readonly schema: v.GenericSchema };
  /** Besides those that every endpoint has. */
  readonly errors: readonly ApiCode[];
  /** All of it or nothing. @throws {ApiError} */
  readonly run: (call: ApiCall, actions: ApiActions) => Answer;
}

export const bytesType = "application/octet-stream";
export const textType = "text/plain";
export const jsonType = "application/json";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const published = v.object({ published: v.pipe(count, v.description("Messages that the gateway has taken")) });
const publishErrors = ["topic.invalid", "message.tooLarge", "api.forbidden", "nats.away"] as const;
const accepted = { status: 202, text: "The gateway has it: subscribers get it in order, once", schema: published };

const publish: Endpoint = {
  name: "publish",
  method: "POST",
  path: "/publish",
  summary: "Publish one message to a topic",
  query: "optional",
  bodies: { [jsonType]: publishSchema, [bytesType]: "bytes", [textType]: "text" },
  success: accepted,
  errors: publishErrors,
  run: (call, actions) => send([publishOf(call)], call.key, actions),
};

const publishTo: Endpoint = {
  name: "publishTo",
  method: "POST",
  path: "/publish/{topic}",
  summary: "Publish raw bytes, or text, to the topic of the path",
  bodies: { [bytesType]: "bytes", [textType]: "text" },
  success: accepted,
  errors: publishErrors,
  run: publish.run,
};

const publishMany: Endpoint = {
  name: "publishMany",
  method: "POST",
  path: "/publish-many",
  summary: `Publish up to ${manyLimit} messages: all of them, in order, or none`,
  bodies: { [jsonType]: manySchema },
  success: { ...accepted, text: "The gateway has all of them" },
  errors: publishErrors,
  run: ({ key, body }, actions) => {
    const { messages } = parseJson(manySchema, body);
    return send(
      messages.map((message, index) => parsePublish(message, `messages.${index}`)),
      key,
      actions,
    );
  },
};

const counts: Endpoint = {
  name: "counts",
  method: "GET",
  path: "/counts",
  summary: "How many connections this gateway has, and how many topics they subscribe to",
  bodies: {},
  success: { status: 200, text: "Of the gateway that answers", schema: v.object({ connections: count, topics: count }) },
  errors: [],
  run: (_, actions) => jsonAnswer(200, actions.counts()),
};

/** Those that need a key. */
export const endpoints: readonly Endpoint[] = [publish, publishTo, publishMany, counts];

const withTopic = "/{topic}";
const ofTopics = endpoints.filter(({ path }) => path.endsWith(withTopic));

export interface Route {
  readonly endpoint: Endpoint;
  /** From the path. */
  readonly topic: string | undefined;
}

/**
 * @param path below the base.
 * @throws {ApiError} "route.unknown"; "api.method"; "topic.invalid"
 */
export function routeOf(method: string, path: string): Route {
  // HEAD is a GET whose body is not sent: RFC 9110, 9.3.2.
  const wanted = method === "HEAD" ? "GET" : method;
  const exact = endpoints.filter((endpoint) => endpoint.path === path);
  const found = exact.length > 0 ? exact : ofTopics.filter((endpoint) => path.startsWith(endpoint.path.slice(0, -withTopic.length + 1)));
  if (found.length === 0) throw new ApiError("route.unknown", "the API has no such path: GET openapi.json lists them");
  const endpoint = found.find((candidate) => candidate.method === wanted);
  if (endpoint === undefined) {
    const allowed = found.map((candidate) => (candidate.method === "GET" ? "GET, HEAD" : candidate.method)).join(", ");
    throw new ApiError("api.method", `this path takes ${allowed}`, [["allow", allowed]]);
  }
  return { endpoint, topic: exact.length > 0 ? undefined : decoded(path.slice(endpoint.path.length - withTopic.length + 1)) };
}

/** @param contentType The header; undefined where there is none. @throws {ApiError} "api.mediaType" */
export function mediaTypeOf({ bodies }: Endpoint, contentType: string | undefined): string {
  const allowed = Object.keys(bodies);
  if (allowed.length === 0) return "";
  const mediaType = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (allowed.includes(mediaType)) return mediaType;
  throw new ApiError("api.mediaType", `Content-Type is ${allowed.join(" or ")}`);
}

/** @throws {ApiError} "api.invalid" */
function publishOf({ topic, mediaType, body }: ApiCall): Publish {
  if (mediaType === jsonType) {
    if (topic !== undefined) throw new ApiError("api.invalid", "JSON names its topic itself: leave it out of the URL");
    return parsePublish(parseJson(publishSchema, body));
  }
  if (topic === undefined)
    throw new ApiError("api.invalid", "raw bytes need their topic in the URL: /publish/TOPIC or /publish?topic=TOPIC");
  return rawPublish(topic, body, mediaType === bytesType);
}

function send(publishes: readonly Publish[], key: ApiKey, { publish: publishOne, messageBytes }: ApiActions): Answer {
  checkPublishes(publishes, key.rights.publish, messageBytes());
  for (const one of publishes) publishOne(one);
  return jsonAnswer(accepted.status, { published: publishes.length });
}

function decoded(text: string): string {
  try {
    const topic = decodeURIComponent(text);
    if (isTopic(topic)) return topic;
  } catch {
    // Told of below.
  }
  throw new ApiError("topic.invalid", `the topic of a path is 1 to ${topicLimitBytes} bytes of UTF-8 in percent-encoding`);
}
