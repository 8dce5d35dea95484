// What clients send that no library sends, on a running system: RFC 9112 and RFC 6455, literally.

import { afterAll, beforeAll, expect, test } from "vitest";
import { Exposition } from "./prometheus.ts";
import { RawClient } from "./raw-client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

beforeAll(async () => {
  system = await TestSystem.start();
});

afterAll(() => system.stop());

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

/** Behind what is refused: nobody may answer it. */
const hidden = "GET /gate/hidden HTTP/1.1\r\nHost: h\r\n\r\n";

const handshake = {
  Host: "h",
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

function lines(line: string, headers: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return [line, ...given, "", ""].join("\r\n");
}

test.each([
  [{}, 101],
  [{ Upgrade: "WebSocket" }, 101],
  [{ Connection: "keep-alive, upgrade" }, 101],
  [{ Upgrade: undefined }, 426],
  [{ Upgrade: "h2c" }, 426],
  [{ Connection: undefined }, 426],
  [{ Connection: "keep-alive" }, 426],
  [{ "Sec-WebSocket-Version": "8" }, 426],
  [{ "Sec-WebSocket-Version": "13, 8" }, 426],
  [{ "Sec-WebSocket-Version": undefined }, 426],
  [{ "Sec-WebSocket-Key": "no key that is base64 ==" }, 400],
  [{ "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAAAA" }, 400],
  [{ "Sec-WebSocket-Key": "c2hvcnQ=" }, 400],
  [{ "Sec-WebSocket-Key": undefined }, 400],
  [{ "Content-Length": "5" }, 400],
  [{ "Transfer-Encoding": "chunked" }, 400],
])("a handshake with %o is answered with %i", async (change, status) => {
  const request = lines("GET /echo HTTP/1.1", { ...handshake, ...change });
  if (status === 101) return expect(statusOf(await RawClient.until(system.url, request, "\r\n\r\n"))).toBe(101);
  const answer = await RawClient.untilClosed(system.url, request + hidden);
  expect(statusOf(answer)).toBe(status);
  expect(answer).toContain("upgrade.handshake");
  expect(answer).not.toContain("hidden");
  if (status === 426) expect(answer.toLowerCase()).toContain("\r\nsec-websocket-version: 13\r\n");
});

test.each([
  ["GET", "close", "its Connection does not name the Upgrade"],
  ["POST", "Upgrade", "it is no GET"],
])("%s with Upgrade and Connection: %s opens no WebSocket, since %s: onRequest answers", async (method, Connection, _) => {
  const head = lines(`${method} /gate/http HTTP/1.1`, { Host: "h", Upgrade: "websocket", Connection });
  const answer = await RawClient.until(system.url, head, "\r\n\r\n");
  expect(statusOf(answer)).toBe(201);
});

test.each([
  ["/nowhere", {}, 404],
  ["/echo", { Origin: "https://example.org" }, 403],
  ["/gate/refuse", {}, 401],
  ["/gate/throw", {}, 500],
  ["/gate/nothing", {}, 204],
])("an upgrade of %s with %o that is refused leaves no connection", async (path, headers, status) => {
  const client = await RawClient.send(system.url, lines(`GET ${path} HTTP/1.1`, { ...handshake, ...headers }));
  client.socket.on("data", () => client.socket.write(hidden));
  await client.closed();
  expect(statusOf(client.received.toString())).toBe(status);
  expect(client.received.toString()).not.toContain("hidden");
});

// uWebSockets.js goes on to read what it has until the socket is uncorked, and would serve it.
test.each([
  ["/nowhere", {}],
  ["/echo", { Origin: "https://example.org" }],
  ["/gate/refuse", {}],
  ["/gate/nothing", {}],
  [`/echo?${"x".repeat(9_000)}`, {}],
])("no request that comes in one piece with a refused upgrade is served: %s", async (path, headers) => {
  const answer = await RawClient.untilClosed(system.url, lines(`GET ${path} HTTP/1.1`, { ...handshake, ...headers }) + hidden);
  expect(answer).not.toContain("hidden");
  expect(answer).not.toContain("HTTP/1.1 2");
});

test.each([
  ["a path", `/gate/${"x".repeat(8_192 - 6)}`, 201, 414],
  ["a query", `/gate/http?${"x".repeat(8_192 - 11)}`, 201, 414],
  ["what is not ASCII, in bytes,", `/gate/http?${"é".repeat((8_192 - 11) / 2 - 0.5)}x`, 201, 414],
])("%s of URL_BYTES is answered, and of one more 414", async (_, url, status, refused) => {
  const ask = async (path: string) => {
    const request = Buffer.from(lines(`GET ${path} HTTP/1.1`, { Host: "h" }));
    return statusOf(await RawClient.until(system.url, request, "\r\n\r\n"));
  };
  expect(await ask(url)).toBe(status);
  expect(await ask(`${url}x`)).toBe(refused);
});

test("a URL that is too long is refused with its code, upgrade or not, and counted", async () => {
  const path = `/echo?${"x".repeat(9_000)}`;
  for (const headers of [handshake, { Host: "h", "Content-Length": "5" }]) {
    const answer = await RawClient.untilClosed(system.url, lines(`${"Upgrade" in headers ? "GET" : "POST"} ${path} HTTP/1.1`, headers));
    expect(statusOf(answer)).toBe(414);
    expect(answer).toContain("url.tooLong");
  }
  const metrics = await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics");
  expect(metrics.sum("thinstate_upgrades_total", { outcome: "url.tooLong" })).toBeGreaterThan(0);
  expect(metrics.sum("thinstate_requests_total", { outcome: "url.tooLong" })).toBeGreaterThan(0);
});

test.each([
  ["Host: h\r\nHost: h"],
  ["Host: a\r\nHost: b"],
  ["Host: h\r\nContent-Length:"],
  ["Host: h\r\nContent-Length: 5\r\nContent-Length: 6"],
  ["Host: h\r\nContent-Length: 5\r\nContent-Length: 5"],
  ["Host: h\r\nContent-Length: 5, 5"],
  ["Host: h\r\nContent-Length: +5"],
  ["Host: h\r\nContent-Length: -5"],
  ["Host: h\r\nContent-Length: 0x5"],
  ["Host: h\r\nContent-Length: five"],
  ["Host: h\r\nContent-Length: 99999999999999999999"],
  ["Host: h\r\nContent-Length:\r\nTransfer-Encoding: chunked"],
  ["Host: h\r\nTransfer-Encoding: identity"],
  ["Host: h\r\nTransfer-Encoding: gzip, chunked"],
  ["Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked"],
])("a head that is in doubt is 400, and nothing behind it is read: %j", async (headers) => {
  const answer = await RawClient.untilClosed(system.url, `POST /gate/http HTTP/1.1\r\n${headers}\r\n\r\nhello${hidden}`);
  expect(statusOf(answer)).toBe(400);
  expect(answer).not.toContain("hidden");
});

test.each([
  ["/nowhere", "Content-Length: 5", 404],
  ["/nowhere", "Transfer-Encoding: chunked", 404],
  ["/echo", "Content-Length: 5", 426],
  ["/gate/http", "Content-Length: 999999", 413],
  ["/gate/http", "Content-Length: 4294967301", 413],
  ["/gate/http", "Content-Length: 5\r\nOrigin: https://example.org", 403],
  ["/gate/http", "Transfer-Encoding: chunked\r\nOrigin: https://example.org", 403],
  ["/gate/http", "Content-Length: 5", 405, "TRACE"],
  ["/nowhere", "Transfer-Encoding: chunked", 405, "TRACE"],
])(
  "a body that nobody takes is answered before it arrives, and the connection closed: %s %s",
  async (path, header, status, method = "POST") => {
    const answer = await RawClient.untilClosed(system.url, `${method} ${path} HTTP/1.1\r\nHost: h\r\n${header}\r\n\r\n`);
    expect(statusOf(answer)).toBe(status);
    expect(answer.toLowerCase()).toContain("\r\nconnection: close\r\n");
  },
);

const chunked = "POST /gate/http HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";

test("a body in chunks of one byte arrives whole", async () => {
  const body = "0123456789".repeat(100);
  const answer = await RawClient.until(system.url, `${chunked}${[...body].map((byte) => `1\r\n${byte}\r\n`).join("")}0\r\n\r\n`, "}");
  expect(JSON.parse(answer.slice(answer.indexOf("{")))).toMatchObject({ body });
});

test("a body in chunks of one byte, without end, is 400", async () => {
  const answer = await RawClient.untilClosed(system.url, chunked + "1\r\nx\r\n".repeat(100_000));
  expect(statusOf(answer)).toBe(400);
});

test("who sends on and on to where nobody reads it hears the answer, and is closed", async () => {
  const client = await RawClient.send(system.url, "POST /nowhere HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  const chunks = "1\r\nx\r\n".repeat(10_000);
  const send = () => {
    while (client.socket.writable && client.socket.write(chunks));
  };
  client.socket.on("drain", send);
  send();
  await client.closed();
  expect(client.received.toString()).toMatch(
    /^HTTP\/1.1 404 Not Found\r\n[\s\S]*\r\n\r\nroute.unknown: no handler serves this path; answered with 404\r\n$/,
  );
});

test("a body that becomes too large in chunks is 413, at once", async () => {
  const answer = await RawClient.untilClosed(system.url, `${chunked}${`ffff\r\n${"x".repeat(0xffff)}\r\n`.repeat(5)}`);
  expect(statusOf(answer)).toBe(413);
});

test("requests are answered one after the other on one connection", async () => {
  const client = await RawClient.send(system.url, "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n".repeat(3));
  while (client.received.toString().split("route.unknown").length < 4) await new Promise((resolve) => client.socket.once("data", resolve));
  client.socket.write(hidden);
  while (!client.received.includes("hidden")) await new Promise((resolve) => client.socket.once("data", resolve));
  client.socket.destroy();
});

test.each(["/gate/http", "/nowhere"])("a connection goes on behind an answer to HEAD: %s", async (path) => {
  const client = await RawClient.send(system.url, `HEAD ${path} HTTP/1.1\r\nHost: h\r\n\r\n`);
  while (!client.received.includes("\r\n\r\n")) await new Promise((resolve) => client.socket.once("data", resolve));
  expect(client.received.toString()).toMatch(/\r\nContent-Length: [1-9]/i);
  client.socket.write(hidden);
  while (!client.received.includes("hidden")) await new Promise((resolve) => client.socket.once("data", resolve));
  client.socket.destroy();
});
