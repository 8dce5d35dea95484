// What calls ask for, and what is refused before anything is done. The document says the same.

import { Validator } from "@seriousme/openapi-schema-validator";
import { beforeEach, expect, test } from "vitest";
import { type ApiActions, type ApiCall, bytesType, jsonType, textType, type UserCommand } from "./endpoint.ts";
import { endpoints, mediaTypeOf, routeOf } from "./endpoints.ts";
import type { PageWanted } from "./member-pages.ts";
import { openApiOf } from "./openapi.ts";
import type { KeptPublish, Publish } from "./publishes.ts";

let sent: Publish[];
let kept: Array<readonly KeptPublish[]>;
let commands: UserCommand[];
let pages: Array<PageWanted & { topic: string }>;
beforeEach(() => {
  sent = [];
  kept = [];
  commands = [];
  pages = [];
});

const keep = { messages: 5, seconds: 60 };
const actions: ApiActions = {
  publish: (one) => void sent.push(one),
  counts: async () => ({ connections: 3, gateways: [{ gateway: "g1", connections: 3, topics: 2 }] }),
  keep: async (publishes) => void kept.push(publishes),
  history: async (topic, last) => [
    { epoch: "e", offset: 7, at: 0, retention: keep, data: Buffer.from(`${topic} ${last}`), isBinary: false, except: [] },
    { epoch: "e", offset: 9, at: 1, retention: keep, data: new Uint8Array([0, 255]), isBinary: true, except: [] },
  ],
  messageBytes: () => 100,
  everywhere: async (command) => commands.push(command),
  members: async (topic, page) => {
    pages.push({ topic, ...page });
    return { members: [{ id: "g1-1", gateway: "g1", user: "ada", info: { name: "Ada" }, since: "" }], next: { gateway: "g2", after: 7 } };
  },
};
const rights = { publish: ["room:*", "news"], users: ["a*"], members: ["room:*"], history: ["room:*"] };
const key = { name: "shop", sha256: "", created: "", rights };

interface Asked {
  readonly body?: Uint8Array | string | object;
  readonly mediaType?: ApiCall["mediaType"];
  readonly method?: string;
}

function call(url: string, { body = "", mediaType = jsonType, method = "POST" }: Asked) {
  const [path = "", query] = url.split("?");
  const bytes = typeof body === "string" ? Buffer.from(body) : body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
  const { endpoint, target } = routeOf(method, path);
  return endpoint.run({ key, target, query: new URLSearchParams(query), mediaType, body: bytes, once: undefined }, actions);
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
  call("/publish?topic=news", { body: "hi", mediaType: textType });
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
  ["two topics", "/publish?topic=news", { body: { topic: "news", text: "" } }, "api.invalid", /leave it out/],
  ["a lone surrogate", "/publish", { body: { topic: "room:\ud800", text: "" } }, "topic.invalid", /well-formed/],
  ["a topic of too many bytes", "/publish", { body: { topic: `room:${"\u00e9".repeat(126)}`, text: "" } }, "topic.invalid", /256 bytes/],
  ["a topic of another", "/publish", { body: { topic: "rooms", text: "" } }, "api.forbidden", /may not publish to "rooms"/],
  ["too large a message", "/publish", { body: { topic: "news", text: "x".repeat(101) } }, "message.tooLarge", /at most 100 bytes.*101/],
  ["a path that does not decode", "/publish/%ff", { body: "", mediaType: textType }, "topic.invalid", /percent-encoding/],
  ["none", "/publish-many", { body: { messages: [] } }, "api.invalid", /messages/],
  ["a user of another", "/send-to-user", { body: { user: "bob", text: "" } }, "api.forbidden", /may not send to the user "bob"/],
  ["no user", "/send-to-user", { body: { text: "" } }, "api.invalid", /user/],
  ["raw without a user", "/send-to-user", { body: "a", mediaType: textType }, "api.invalid", /in the URL/],
  ["two users", "/send-to-user?user=ada", { body: { user: "ada", text: "" } }, "api.invalid", /leave it out/],
  ["no payload for a user", "/send-to-user", { body: { user: "ada" } }, "api.invalid", /exactly one of/],
  ["too much for a user", "/send-to-user", { body: { user: "ada", text: "x".repeat(101) } }, "message.tooLarge", /at most 100/],
  ["a user of too many bytes", "/send-to-user", { body: { user: `a${"\u00e9".repeat(512)}`, text: "" } }, "identity.invalid", /1024 bytes/],
  ["a user in a path that does not decode", "/send-to-user/%ff", { mediaType: textType }, "identity.invalid", /percent-encoding/],
  ["to close another's", "/close-user", { body: { user: "bob" } }, "api.forbidden", /may not close the connections of the user "bob"/],
  ["a close code of the protocol's own", "/close-user", { body: { user: "ada", code: 1001 } }, "close.invalid", /1001/],
  ["a reason that is too long", "/close-user", { body: { user: "ada", reason: "x".repeat(124) } }, "close.invalid", /123 bytes/],
  ["members of no topic", "/members", { method: "GET" }, "api.invalid", /topic is missing/],
  ["members of what is no topic", "/members?topic=", { method: "GET" }, "topic.invalid", /not empty/],
  ["members of another's topic", "/members?topic=news", { method: "GET" }, "api.forbidden", /may not ask for the members of "news"/],
  ...["0", "1001", "-1", "1.5", "all", ""].map((limit): [string, string, Asked, string, RegExp] => [
    `a page of ${limit}`,
    `/members?topic=room:1&limit=${limit}`,
    { method: "GET" },
    "api.invalid",
    /limit is a number from 1 to 1000/,
  ]),
  [
    "too much to keep",
    "/publish",
    { body: { topic: "news", text: "", keep: { ...keep, messages: 1_001 } } },
    "api.invalid",
    /^keep\.messages/,
  ],
  ["half of a keep", "/publish", { body: { topic: "news", text: "", keep: { messages: 5 } } }, "api.invalid", /seconds/],
  [
    "half of a keep in the URL",
    "/publish/news?keepMessages=5",
    { body: "a", mediaType: textType },
    "api.invalid",
    /keepMessages \(1 to 1000\) and keepSeconds/,
  ],
  ["a keep in the URL of JSON", "/publish?keepMessages=5", { body: { topic: "news", text: "" } }, "api.invalid", /JSON says itself/],
  [
    "messages of which only some are kept",
    "/publish-many",
    {
      body: {
        messages: [
          { topic: "news", text: "", keep },
          { topic: "news", text: "" },
        ],
      },
    },
    "api.invalid",
    /all messages of a call have keep, or none/,
  ],
  ["the history of no topic", "/history", { method: "GET" }, "api.invalid", /topic is missing/],
  ["the history of another's topic", "/history?topic=news", { method: "GET" }, "api.forbidden", /may not ask for the history of "news"/],
  ...["0", "1001", "all", ""].map((last): [string, string, Asked, string, RegExp] => [
    `the last ${last}`,
    `/history?topic=room:1&last=${last}`,
    { method: "GET" },
    "api.invalid",
    /last is a number from 1 to 1000/,
  ]),
  ["a cursor that is none", "/members?topic=room:1&cursor=7", { method: "GET" }, "api.invalid", /cursor is not/],
])("refused: %s", (_, path, asked, code, message) => {
  expect(() => call(path, asked)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  expect([sent, kept, commands, pages]).toEqual([[], [], [], []]);
});

test("what is to be kept is answered when it is stored: in JSON, raw, and many", async () => {
  expect(await call("/publish", { body: { topic: "news", data: 1, keep } })).toMatchObject({ status: 202, body: '{"published":1}' });
  await call("/publish/news?keepMessages=5&keepSeconds=60", { body: Buffer.from([255]), mediaType: bytesType });
  const messages = [1, 2].map((data) => ({ topic: "news", data, keep }));
  expect(await call("/publish-many", { body: { messages } })).toMatchObject({ body: '{"published":2}' });
  const one = (data: Uint8Array, isBinary = false) => ({ topic: "news", data, isBinary, keep });
  expect(kept).toEqual([[one(Buffer.from("1"))], [one(Buffer.from([255]), true)], [one(Buffer.from("1")), one(Buffer.from("2"))]]);
  expect(sent).toEqual([]);
});

test("the history of a topic has positions, times, and each message as text or base64", async () => {
  const answer = await call("/history?topic=room%3A1&last=5", { method: "GET" });
  expect(JSON.parse(String(answer.body))).toEqual({
    entries: [
      { position: "e:7", at: "1970-01-01T00:00:00.000Z", text: "room:1 5" },
      { position: "e:9", at: "1970-01-01T00:00:00.001Z", base64: "AP8=" },
    ],
  });
  expect((await call("/history?topic=room%3A1", { method: "GET" })).body).toContain("room:1 100");
});

test("to a user: a value, text or bytes, and raw as the body", async () => {
  expect(await call("/send-to-user", { body: { user: "ada", data: [1] } })).toMatchObject({ status: 202, body: '{"connections":1}' });
  await call("/send-to-user", { body: { user: "ada", base64: "aGk=" } });
  await call("/send-to-user/a%2F%C3%A9", { body: "hi", mediaType: textType });
  await call("/send-to-user?user=ada", { body: Buffer.from([0, 255]), mediaType: bytesType });
  expect(commands).toEqual([
    { kind: "sendToUser", user: "ada", data: Buffer.from("[1]"), binary: false },
    { kind: "sendToUser", user: "ada", data: Buffer.from("hi"), binary: true },
    { kind: "sendToUser", user: "a/\u00e9", data: Buffer.from("hi"), binary: false },
    { kind: "sendToUser", user: "ada", data: Buffer.from([0, 255]), binary: true },
  ]);
});

test("a user's connections are closed with 1000, or as the call says", async () => {
  await call("/close-user", { body: { user: "ada" } });
  await call("/close-user", { body: { user: "ada", code: 4000, reason: "locked" } });
  expect(commands).toEqual([
    { kind: "closeUser", user: "ada", code: 1000, reason: "" },
    { kind: "closeUser", user: "ada", code: 4000, reason: "locked" },
  ]);
});

test("members come in pages, and each says where the next one begins", async () => {
  const answer = await call("/members?topic=room%3A1", { method: "GET" });
  const { next, members } = JSON.parse(String(answer.body));
  expect([next, members[0].user]).toEqual(["g2.7", "ada"]);
  await call(`/members?topic=room%3A1&limit=1000&cursor=${next}`, { method: "GET" });
  expect(pages).toEqual([
    { topic: "room:1", limit: 100, cursor: undefined },
    { topic: "room:1", limit: 1_000, cursor: { gateway: "g2", after: 7 } },
  ]);
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
  ["GET", "/send-to-user/a", "api.method"],
  ["POST", "/send-to-user/", "identity.invalid"],
  ["POST", "/members", "api.method"],
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
