// What happens before a connection is one, and plain HTTP, on a running system.

import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { patienceMs } from "../testbed/patience.ts";
import { refusal, TestClient } from "./client.ts";
import { RawClient } from "./raw-client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

beforeAll(async () => {
  system = await TestSystem.start({ workers: 2 });
});

afterAll(() => system.stop());

test("onUpgrade sees query, cookies, headers and address, and decides about user, state, subprotocol and headers", async () => {
  const headers = { cookie: "c=ada", "x-h": "hi" };
  const client = new TestClient(`${system.url}/gate/let-in?q=1`, { headers, subprotocols: ["v3", "v1"] });
  const welcome = new Promise<unknown>((resolve) => client.socket.on("upgrade", ({ headers: sent }) => resolve(sent["x-welcome"])));
  await client.receives(1);
  expect(client.values).toEqual([{ user: "ada", from: "1 ada hi 127.0.0.1", subprotocol: "v1", mode: "let-in", q: "1" }]);
  expect(client.socket.protocol).toBe("v1");
  expect(await welcome).toBe("yes");
  await client.close();
});

test("an onUpgrade that returns nothing lets in, with the first subprotocol that both know", async () => {
  const client = await TestClient.open(`${system.url}/gate/open`, { subprotocols: ["v1", "v2"] });
  await client.receives(1);
  expect(client.values).toMatchObject([{ user: null, from: "nowhere" }]);
  expect(client.socket.protocol).toBe("v1");
  await client.close();
});

test("a header may be called constructor, and nobody has one that was not sent", async () => {
  const client = await TestClient.open(`${system.url}/gate/headers`, { headers: { constructor: "of ships" } });
  await client.receives(1);
  expect(client.values).toMatchObject([{ from: "of ships undefined" }]);
  await client.close();
});

test("an onUpgrade that sends a header of the handshake's is told so in the log, and its client 500", async () => {
  expect(await refusal(`${system.url}/gate/handshake`)).toMatchObject({ status: 500 });
  // Once it has come through its pipe.
  await vi.waitFor(() => {
    const log = system.live("worker").flatMap((worker) => worker.logged("upgrade.headers"));
    expect(log).toMatchObject([{ path: "/gate/handshake", err: { message: expect.stringContaining("sec-websocket-protocol") } }]);
  }, patienceMs);
});

test("subprotocols may be offered in several headers, in one order", async () => {
  const lines = ["GET /gate/open HTTP/1.1", "Host: h", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];
  const offers = ["Sec-WebSocket-Protocol: v3", "Sec-WebSocket-Protocol: v2, v1", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
  const answer = await RawClient.until(system.url, [...lines, ...offers, "", ""].join("\r\n"), "\r\n\r\n");
  expect(answer.toLowerCase()).toContain("\r\nsec-websocket-protocol: v2\r\n");
});

test("a Response refuses, with its status, headers and body", async () => {
  const { status, body, headers } = await refusal(`${system.url}/gate/refuse`);
  expect({ status, body }).toEqual({ status: 401, body: "no entry" });
  expect(headers["www-authenticate"]).toBe("Basic");
});

test("an onUpgrade that throws refuses with 500, and tells the client nothing of the error", async () => {
  const { status, body } = await refusal(`${system.url}/gate/throw`);
  expect(status).toBe(500);
  expect(body).not.toContain("broke");
});

test("a worker's hello counts turns, those that threw once each, and upgrades that failed", async () => {
  const counting = await TestSystem.start();
  try {
    await refusal(`${counting.url}/gate/throw`);
    await refusal(`${counting.url}/gate/refuse`);
    const client = await TestClient.open(`${counting.url}/broken/error`);
    client.send("its onError throws, too");
    await client.closes();
    // Open, message, close.
    await counting.until(() => counting.workerHellos[0]?.counts?.turns === 3, "three turns are counted");
    expect(counting.workerHellos[0]?.counts).toEqual({ turns: 3, thrown: 1, timedOut: 0, answers: 2, failed: 1 });
  } finally {
    await counting.stop();
  }
});

test.each([
  ["/gate/open", "https://example.com", true],
  ["/gate/open", "https://example.org", false],
  ["/echo", "http://127.0.0.1:PORT", true],
  ["/echo", "http://127.0.0.1:1", false],
  ["/echo", "null", false],
])("%s from origin %s: let in %s", async (path, origin, isAllowed) => {
  const headers = { origin: origin.replace("PORT", String(system.port)) };
  if (isAllowed) await (await TestClient.open(`${system.url}${path}`, { headers })).close();
  else
    expect(await refusal(`${system.url}${path}`, { headers })).toMatchObject({
      status: 403,
      body: expect.stringContaining("upgrade.origin"),
    });
});

test.each(["/nowhere", "/script", "/script/a/b", "/script/%zz"])("a path that no handler serves is 404: %s", async (path) => {
  expect(await refusal(`${system.url}${path}`)).toMatchObject({ status: 404, body: expect.stringContaining("route.unknown") });
});

test("a route answers plain HTTP with a Response", async () => {
  const response = await fetch(`http://127.0.0.1:${system.port}/gate/http?x=1`, { method: "POST", body: "hello" });
  expect(response.status).toBe(201);
  expect(response.headers.get("x-answer")).toBe("1");
  expect(await response.json()).toEqual({ method: "POST", mode: "http", body: "hello", ip: "127.0.0.1" });
});

test("an answer to HEAD has the length of the body, and no body", async () => {
  const response = await fetch(`http://127.0.0.1:${system.port}/gate/http`, { method: "HEAD" });
  expect({ status: response.status, text: await response.text() }).toEqual({ status: 201, text: "" });
  expect(Number(response.headers.get("content-length"))).toBeGreaterThan(10);
});

test("what a client's request has wrong is answered as its mistake: not counted as failed, and not logged", async () => {
  const counting = await TestSystem.start();
  const ask = (line: string, ...headers: string[]) => RawClient.status(counting.url, [`${line} HTTP/1.1`, ...headers]);
  try {
    expect(await ask("GET /gate/http", "Host: x/admin/secret?")).toBe(400);
    expect(await ask("GET /gate/http", "Host: a b")).toBe(400);
    expect(await ask("GET /gate/http", "Host: u:p@h")).toBe(400);
    expect(await ask("GET /gate/..", "Host: h")).toBe(400);
    expect(await ask("TRACE /gate/http", "Host: h")).toBe(405);
    expect(await ask("CONNECT /gate/http", "Host: h")).toBe(405);
    expect(await ask("GET /gate/http", "Host:")).toBe(201);
    expect(await ask("GET /gate/http", "Host: [::1]:80")).toBe(201);
    await counting.until(() => counting.workerHellos[0]?.counts?.answers === 2, "all that reached the handler are counted");
    expect(counting.workerHellos[0]?.counts).toMatchObject({ answers: 2, failed: 0 });
    expect(counting.live("worker")[0]?.logged('"path"')).toEqual([]);
  } finally {
    await counting.stop();
  }
});

test("plain HTTP on a path that speaks only WebSocket is 426, on an unknown one 404", async () => {
  expect((await fetch(`http://127.0.0.1:${system.port}/echo`)).status).toBe(426);
  expect((await fetch(`http://127.0.0.1:${system.port}/`)).status).toBe(404);
});

test("a client that gives up while its upgrade waits leaves nothing behind", async () => {
  const parked = await TestSystem.start({ workers: 0 });
  try {
    const client = new TestClient(`${parked.url}/echo`);
    await parked.until(() => parked.gatewayHellos[0]?.parked === 1, "the upgrade is parked");
    client.breakOff();
    await parked.until(() => parked.gatewayHellos[0]?.parked === 0, "nothing is parked");
    await parked.standBy("1");
    await parked.activate("1");
    const other = await TestClient.open(`${parked.url}/echo`);
    expect(parked.gatewayHellos[0]?.connections).toBeLessThanOrEqual(1);
    await other.close();
  } finally {
    await parked.stop();
  }
});
