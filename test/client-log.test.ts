// Clients cannot fill the log, neither a gateway's nor a worker's, and what is left out is counted.

import { afterEach, beforeEach, expect, test } from "vitest";
import { refusal, TestClient } from "./client.ts";
import { RawClient } from "./raw-client.ts";
import { type TestProcess, TestSystem } from "./system.ts";

let system: TestSystem;

beforeEach(async () => {
  system = await TestSystem.start({ environment: { MESSAGE_BYTES: "1000" } });
});

afterEach(() => system.stop());

/** Its log is whole then. */
async function ended(name: "gateway" | "worker"): Promise<TestProcess> {
  const [process] = system.live(name);
  if (process === undefined) throw new Error("there is none");
  await process.end();
  return process;
}

test("a connection whose every message makes a turn throw", async () => {
  const client = await TestClient.open(`${system.url}/script/a`);
  for (let count = 0; count < 500; count++) client.send([{ do: "throw", text: `number ${count}` }]);
  await client.receives(500);
  await client.close();
  const worker = await ended("worker");
  const lines = worker.logged("onMessage was rolled back");
  expect(lines).toHaveLength(6);
  expect(lines.at(-1)).toMatchObject({ route: "/script/:room", code: "handler.thrown", leftOut: 495 });
});

test("clients that are closed for an error, one after the other", async () => {
  for (let count = 0; count < 20; count++) {
    const client = await TestClient.open(`${system.url}/echo`);
    client.send("x".repeat(1001));
    await client.closes();
  }
  const gateway = await ended("gateway");
  const lines = gateway.logged("connection closed");
  expect(lines).toHaveLength(6);
  const fault = "the message has 1001 bytes, at most 1000 are allowed (MESSAGE_BYTES)";
  expect(lines[0]).toMatchObject({ route: "/echo", code: "message.tooLarge", fault });
  expect(lines.at(-1)).toMatchObject({ route: "/echo", code: "message.tooLarge", leftOut: 15 });
});

test("what is too large leaves its size and the limit, over HTTP too, and where the library cuts it off", async () => {
  const url = `${system.url.replace("ws", "http")}/gate/http`;
  const known = await fetch(url, { method: "POST", body: "x".repeat(1001) });
  const text = "the body has 1001 bytes, at most 1000 are allowed (MESSAGE_BYTES)";
  expect([known.status, (await known.text()).trimEnd()]).toEqual([413, `request.tooLarge: ${text}`]);
  const head = ["POST /gate/http HTTP/1.1", "Host: 127.0.0.1", "Transfer-Encoding: chunked", "", `3e9\r\n${"x".repeat(1001)}\r\n0\r\n`];
  expect(await RawClient.status(system.url, head)).toBe(413);
  const client = await TestClient.open(`${system.url}/echo`);
  client.send("x".repeat(100_000));
  await client.closes();
  const gateway = await ended("gateway");
  expect(gateway.logged("request.tooLarge")).toMatchObject([
    { path: "/gate/http", fault: text, msg: "request refused with 413" },
    { path: "/gate/http", fault: "the body has more than 1000 bytes, at most 1000 are allowed (MESSAGE_BYTES)" },
  ]);
  expect(gateway.logged("connection cut off")).toMatchObject([{ route: "/echo", reason: expect.stringContaining("too big") }]);
});

test("what a page cannot see of its refusal is in the log: that nobody serves the path, and which there are, or that a proxy has left out the upgrade", async () => {
  expect(await refusal(`${system.url}/ws/echo`)).toMatchObject({ status: 404 });
  const head = ["GET /echo HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
  expect(await RawClient.status(system.url, head)).toBe(426);
  const polled = await fetch(`${system.url.replace("ws", "http")}/sock.io/?EIO=4&transport=polling`);
  expect([polled.status, await polled.text()]).toEqual([404, "route.unknown: no handler serves this path; answered with 404\n"]);
  const gateway = await ended("gateway");
  expect(gateway.logged("upgrade refused with")).toMatchObject([
    { code: "route.unknown", path: "/ws/echo" },
    { code: "upgrade.handshake", path: "/echo" },
  ]);
  const [line] = gateway.logged("request refused with 404");
  expect(line).toMatchObject({ code: "route.unknown", path: "/sock.io/", served: expect.arrayContaining(["/echo", "…"]) });
});
