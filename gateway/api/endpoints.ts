// What the HTTP API has: one table, by which calls are routed and checked, and from which the OpenAPI document is made.

import { isTopic, topicLimitBytes } from "../../protocol/subjects.ts";
import { ApiError } from "./api-error.ts";
import { countsEndpoint } from "./counts-endpoint.ts";
import type { Endpoint } from "./endpoint.ts";
import { historyEndpoint } from "./history-endpoint.ts";
import { membersEndpoint } from "./member-endpoint.ts";
import { publishEndpoints } from "./publish-endpoints.ts";
import { userEndpoints } from "./user-endpoints.ts";

/** Those that need a key. */
export const endpoints: readonly Endpoint[] = [...publishEndpoints, ...userEndpoints, membersEndpoint, historyEndpoint, countsEndpoint];

const ofTargets = endpoints.filter(({ path }) => path.endsWith("}"));

export interface Route {
  readonly endpoint: Endpoint;
  /** The topic or user in the path. */
  readonly target: string | undefined;
}

/**
 * @param path below the base.
 * @throws {ApiError} "route.unknown"; "api.method"; "topic.invalid", "identity.invalid"
 */
export function routeOf(method: string, path: string): Route {
  // HEAD is a GET whose body is not sent: RFC 9110, 9.3.2.
  const wanted = method === "HEAD" ? "GET" : method;
  const exact = endpoints.filter((endpoint) => endpoint.path === path);
  const found = exact.length > 0 ? exact : ofTargets.filter((endpoint) => path.startsWith(prefixOf(endpoint)));
  if (found.length === 0) throw new ApiError("route.unknown", "the API has no such path: GET openapi.json lists them");
  const endpoint = found.find((candidate) => candidate.method === wanted);
  if (endpoint === undefined) {
    const allowed = found.map((candidate) => (candidate.method === "GET" ? "GET, HEAD" : candidate.method)).join(", ");
    throw new ApiError("api.method", `this path takes ${allowed}`, [["allow", allowed]]);
  }
  if (exact.length > 0) return { endpoint, target: undefined };
  const text = path.slice(prefixOf(endpoint).length);
  return { endpoint, target: endpoint.path.endsWith("{topic}") ? decodedTopic(text) : decodedUser(text) };
}

/** @param contentType The header; undefined where there is none. @throws {ApiError} "api.mediaType" */
export function mediaTypeOf({ bodies }: Endpoint, contentType: string | undefined): string {
  const allowed = Object.keys(bodies);
  if (allowed.length === 0) return "";
  const mediaType = contentType?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (allowed.includes(mediaType)) return mediaType;
  throw new ApiError("api.mediaType", `Content-Type is ${allowed.join(" or ")}`);
}

function prefixOf({ path }: Endpoint): string {
  return path.slice(0, path.indexOf("{"));
}

function decodedTopic(text: string): string {
  const topic = decoded(text);
  if (topic !== undefined && isTopic(topic)) return topic;
  throw new ApiError("topic.invalid", `the topic of a path is 1 to ${topicLimitBytes} bytes of UTF-8 in percent-encoding`);
}

/** How long it may be is said later. */
function decodedUser(text: string): string {
  const user = decoded(text);
  if (user !== undefined && user !== "") return user;
  throw new ApiError("identity.invalid", "the user of a path is UTF-8 in percent-encoding");
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
