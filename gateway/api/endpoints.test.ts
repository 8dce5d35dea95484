// What calls ask for, and what is refused before anything is done. The document says the same.

import { Validator } from "@seriousme/openapi-schema-validator";
import { beforeEach, expect, test } from "vitest";
import { type ApiCall, bytesType, endpoints, jsonType, mediaTypeOf, routeOf, textType } from "./endpoints.ts";
import { openApiOf } from "./openapi.ts";
import type { Publish } from "./publishes.ts";

let sent: Publish[];
beforeEach(() => {
  sent = [];
});

const actions = {
  publish: (one: Publish) => void sent.push(one),
  counts: () => ({ connections: 3, topics: 2 }),
  messageBytes: () => 100,
};
const key = { name: "shop", sha256: "", created: "", rights: { publish: ["room:*", "news"], users: false, members: [] } };

interface Asked extends Partial<Omit<ApiCall, "body">> {
  readonly body?: Uint8Array | string | object;
}

function call(path: string, { body = "", mediaType = jsonType, ...rest }: Asked) {
  const bytes = typeof body === "string" ? Buffer.from(body) : body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
  const { endpoint, topic } = routeOf("POST", path);
  return endpoint.run({ key, topic, mediaType, body: bytes, ...rest }, actions);
}

test.each<[string, object, string, boolean]>([
  ["data becomes JSON", { data: { a: [1] } }, '{"a":[1]}', false],
  ["data may be null", { data: null }, "null", false],
  ["text is sent as it is", { text: "h\u00e9" }, "h\u00e9", false],
  ["base64 is a binary frame", { base64: "aGk=" }, "hi", true],
])("%s", (_, payload, data, isBinary) => {
  expect(call("/publish", { body: { topic: "room:1", ...payload } })).toMatchObject({ status: 202, body: '{"published":1}' });
  expect(sent).toEqual([{ topic: "room:1", data: Buffer.from(data), isBinary }]);
});

test("raw bytes have their topic in the path or the query", () => {
  call("/publish/room%3A%2F1", { body: Buffer.from([0, 255]), mediaType: bytesType });
  call("/publish", { body: "hi", mediaType: textType, topic: "news" });
  expect(sent).toEqual([
    { topic: "room:/1", data: Buffer.from([0, 255]), isBinary: true },
    { topic: "news", data: Buffer.from("hi"), isBinary: false },
  ]);
});

test.each<[string, string, Asked, string, RegExp]>([
  ["no payload", "/publish", { body: { topic: "news" } }, "api.invalid", /exactly one of data, text and base64 is given, not none/],
  ["two payloads", "/publish", { body: { topic: "news", text: "", data: 1 } }, "api.invalid", /not data and text/],
  ["no topic", "/publish", { body: { text: "" } }, "api.invalid", /topic/],
  ["an unknown field", "/publish", { body: { topic: "news", text: "", tpoic: 1 } }, "api.invalid", /tpoic/],
  ["no JSON", "/publish", { body: "{" }, "api.invalid", /not JSON/],
  ["JSON that is not UTF-8", "/publish", { body: Buffer.from('{"topic":"news","text":"\xff"}', "latin1") }, "api.invalid", /UTF-8/],
  ...["a", "aGk", "aGk==", "a=Gk", "aG=k", "a===", "=", "aGk-"].map((base64): [string, string, Asked, string, RegExp] => [
    `no base64: ${base64}`,
    "/publish",
    { body: { topic: "news", base64 } },
    "api.invalid",
    /^base64: base64/,
  ]),
  [
    "no base64 among many",
    "/publish-many",
    { body: { messages: [{ topic: "news", base64: "a" }] } },
    "api.invalid",
    /^messages\.0\.base64: base64/,
  ],
  [
    "base64 of 12 MiB, which is too large a message and nothing else",
    "/publish",
    { body: { topic: "news", base64: "A".repeat(16 * 2 ** 20) } },
    "message.tooLarge",
    /12582912/,
  ],
  ["text that is not UTF-8", "/publish/news", { body: new Uint8Array([255]), mediaType: textType }, "api.invalid", /UTF-8/],
  ["raw without a topic", "/publish", { body: "a", mediaType: textType }, "api.invalid", /in the URL/],
  ["two topics", "/publish", { body: { topic: "news", text: "" }, topic: "news" }, "api.invalid", /leave it out/],
  ["a lone surrogate", "/publish", { body: { topic: "room:\ud800", text: "" } }, "topic.invalid", /well-formed/],
  ["a topic of too many bytes", "/publish", { body: { topic: `room:${"\u00e9".repeat(126)}`, text: "" } }, "topic.invalid", /256 bytes/],
  ["a topic of another", "/publish", { body: { topic: "rooms", text: "" } }, "api.forbidden", /may not publish to "rooms"/],
  ["too large a message", "/publish", { body: { topic: "news", text: "x".repeat(101) } }, "message.tooLarge", /at most 100 bytes.*101/],
  ["a path that does not decode", "/publish/%ff", { body: "", mediaType: textType }, "topic.invalid", /percent-encoding/],
  ["none", "/publish-many", { body: { messages: [] } }, "api.invalid", /messages/],
])("refused: %s", (_, path, asked, code, message) => {
  expect(() => call(path, asked)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  expect(sent).toEqual([]);
});

test("of many, one that is wrong stops all", () => {
  const good = { topic: "news", text: "a" };
  for (const bad of [{ topic: "rooms", text: "" }, { topic: "news" }, { topic: "news", text: "x".repeat(101) }]) {
    expect(() => call("/publish-many", { body: { messages: [good, bad] } })).toThrow();
  }
  expect(() => call("/publish-many", { body: { messages: Array(1_001).fill(good) } })).toThrow("messages");
  expect(sent).toEqual([]);
  expect(call("/publish-many", { body: { messages: Array(1_000).fill(good) } })).toMatchObject({ body: '{"published":1000}' });
  expect(sent).toHaveLength(1_000);
});

test.each([
  ["GET", "/publish", "api.method"],
  ["POST", "/counts", "api.method"],
  ["DELETE", "/publish/a", "api.method"],
  ["POST", "/", "route.unknown"],
  ["POST", "/publishe", "route.unknown"],
  ["GET", "/counts/", "route.unknown"],
  ["POST", "/publish/", "topic.invalid"],
])("%s %s: %s", (method, path, code) => {
  expect(() => routeOf(method, path)).toThrow(expect.objectContaining({ code }));
});

test("a media type is told apart from its parameters, and another one refused", () => {
  const { endpoint } = routeOf("POST", "/publish");
  expect(mediaTypeOf(endpoint, "Application/JSON; charset=utf-8")).toBe(jsonType);
  for (const type of [undefined, "", "application/x-www-form-urlencoded"]) {
    expect(() => mediaTypeOf(endpoint, type)).toThrow("application/json or application/octet-stream or text/plain");
  }
});

test.each(["", "/api"])("the document is OpenAPI 3.1, at %j", async (base) => {
  const document = openApiOf(base) as { openapi: string; paths: Record<string, Record<string, { operationId: string }>> };
  expect(await new Validator().validate(document)).toEqual({ valid: true });
  expect(document.openapi).toBe("3.1.0");
  const told = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => [operationId, method.toUpperCase(), path]),
  );
  expect(told).toEqual(endpoints.map(({ name, method, path }) => [name, method, path]));
});

test("the document tells what a publish takes", () => {
  expect(openApiOf("")).toMatchObject({
    paths: {
      "/publish-many": {
        post: {
          requestBody: {
            content: { [jsonType]: { schema: { properties: { messages: { maxItems: 1_000, items: { required: ["topic"] } } } } } },
          },
          responses: { 202: {}, 400: {}, 401: {}, 403: {}, 413: {}, 415: {}, 422: {}, 429: {}, 503: {} },
        },
      },
    },
  });
});
