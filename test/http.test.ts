// HTTP/1.1 as clients may send it, and as they may not, on a running system: RFC 9112, literally. The public suite for it is
// https://github.com/uNetworking/h1spec; its cases are among these.

import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadLibrary } from "../gateway/uws/library.ts";
import { RawClient } from "./raw-client.ts";
import { TestSystem } from "./system.ts";

/** uWebSockets.js 20.30 does not say what it does not understand: it closes, or waits until it is closed for that. */
const isOlder = loadLibrary().version === "20.30";

let system: TestSystem;

beforeAll(async () => {
  system = await TestSystem.start({ handlers: "plain" });
});

afterAll(() => system.stop());

const statusOf = (answer: string) => Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1]);

test.each([
  ["a plain one", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", ""],
  ["names in any case, a tab, an empty value", "GET / HTTP/1.1\r\nhoSt:\th\r\nempty:\r\nX-Empty: \r\n\r\n", ""],
  ["a body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "hello"],
  ["a body of nothing", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", ""],
  ["chunks", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"],
  [
    "another case of chunked",
    "POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: chunked\r\n\r\nc\r\nHellO world1\r\n0\r\n\r\n",
    "HellO world1",
  ],
  ["no body", "OPTIONS /a HTTP/1.1\r\nHost: h\r\n\r\n", ""],
  ["PUT", "PUT /a/b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi", "hi"],
  ["DELETE", "DELETE /a/b?c=d HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi", "hi"],
])("%s is answered", async (_, request, body) => {
  const answer = await RawClient.until(system.url, request, `\r\n\r\n${body}`);
  expect(statusOf(answer)).toBe(200);
  expect(answer.toLowerCase()).toContain(`\r\ncontent-length: ${body.length}\r\n`);
  expect(answer.endsWith(`\r\n\r\n${body}`)).toBe(true);
});

test("HEAD is answered without a body", async () => {
  const answer = await RawClient.until(system.url, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n");
  expect(statusOf(answer)).toBe(200);
});

test.each(["TRACE", "CONNECT"])("%s is 405", async (method) => {
  expect(statusOf(await RawClient.until(system.url, `${method} / HTTP/1.1\r\nHost: h\r\n\r\n`, "\r\n\r\n"))).toBe(405);
});

test("who waits for 100 Continue before the body gets it", async () => {
  const client = await RawClient.send(system.url, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  while (!client.received.includes("\r\n\r\n")) await once(client.socket, "data");
  expect(statusOf(client.received.toString())).toBe(100);
  client.socket.write("hello");
  while (!client.received.includes("hello")) await once(client.socket, "data");
  expect(client.received.toString()).toContain("\r\n\r\nHTTP/1.1 200 OK\r\n");
  client.socket.destroy();
});

test("who wants the connection closed gets it closed, behind the answer", async () => {
  expect(statusOf(await RawClient.untilClosed(system.url, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))).toBe(200);
});

test("one connection takes one request after the other", async () => {
  const client = await RawClient.send(system.url, "");
  for (const body of ["one", "two", "three"]) {
    client.socket.write(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    while (!client.received.toString().endsWith(`\r\n\r\n${body}`)) await once(client.socket, "data");
  }
  client.socket.destroy();
});

test("a request that arrives in two parts is understood, wherever it is parted", async () => {
  const request = "POST /a HTTP/1.1\r\nHost: h\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  const clients = await Promise.all(
    Array.from({ length: request.length - 1 }, async (_, index) => {
      const client = await RawClient.send(system.url, request.slice(0, index + 1));
      return { client, rest: request.slice(index + 1) };
    }),
  );
  // When this is answered, the first parts have been read.
  await RawClient.until(system.url, request, "hello");
  for (const { client, rest } of clients) client.socket.write(rest);
  for (const { client, rest } of clients) {
    while (!client.received.includes("hello") && !client.socket.closed) await Promise.race([once(client.socket, "data"), client.closed()]);
    expect([rest, client.received.toString()]).toEqual([rest, expect.stringContaining("200 OK")]);
    client.socket.destroy();
  }
});

describe.skipIf(isOlder)("what is not HTTP/1.1 is answered, and the connection closed", () => {
  test.each([
    ["a field's name", "GET / HTTP/1.1\r\nHost: h\r\nX-Invalid[]: a\r\n\r\n", [400]],
    ["a control character", "GET / HTTP/1.1\r\nHost: h\r\nX-A: a\x07\r\n\r\n", [400]],
    ["a line's end", "GET / HTTP/1.1\r\nHost: h\r\n\rX-A: b\r\n\r\n", [400]],
    ["no version", "GET / \r\n\r\n", [400, 505]],
    ["another version", "GET / HTTP/9.9\r\nHost: h\r\n\r\n", [400, 505]],
    ["HTTP/1.0", "GET / HTTP/1.0\r\nHost: h\r\n\r\n", [400, 505]],
    ["something before it", "some wordsGET / HTTP/1.1\r\nHost: h\r\n\r\n", [400, 505]],
    ["a whole URL", "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", [400, 505]],
    ["a hundred headers", `GET / HTTP/1.1\r\nHost: h\r\n${"X-A: b\r\n".repeat(100)}\r\n`, [400, 431]],
    ["TLS", Buffer.from("160301010001000000fc0303", "hex"), [400, 505]],
    ["no Host", "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", [400]],
    ["both lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400]],
    ["a chunk's length", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", [400]],
  ])("%s", async (_, request, statuses) => {
    expect(statuses).toContain(statusOf(await RawClient.untilClosed(system.url, request)));
  });

  test.each(["X_Y", "x.y", "x~y"])("%s is a header's name", async (name) => {
    expect(statusOf(await RawClient.until(system.url, `GET / HTTP/1.1\r\nHost: h\r\n${name}: z\r\n\r\n`, "\r\n\r\n"))).toBe(200);
  });
});

describe.runIf(isOlder)("what is not HTTP/1.1 ends the connection", () => {
  test.each([
    ["no Host", "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"],
    ["both lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ["a chunk's length", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"],
  ])("%s", async (_, request) => {
    expect(await RawClient.untilClosed(system.url, request)).toBe("");
  });
});
