// The HTTP API on a running system: keys that come and go, publishes that reach both gateways, retries, and a NATS that is away.

import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withKey } from "../process/api-keys/changes.ts";
import { newKey, readKeys, writeKeys } from "../process/api-keys/key-file.ts";
import { freePort } from "../supervisor/port.ts";
import { patienceMs } from "../testbed/patience.ts";
import { TestClient } from "./client.ts";
import { startNats } from "./nats.ts";
import { RawClient } from "./raw-client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;
let folder: string;
let file: string;
let base: string;
let port: number;
const key = newKey();
const all = { publish: ["*"], users: [], members: [], history: ["*"] };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "http-api-"));
  file = join(folder, "keys.json");
  port = await freePort("127.0.0.1");
  base = `http://127.0.0.1:${port}`;
  const nats = await startNats(0, ["-js", "-sd", join(folder, "jetstream")]);
  system = await TestSystem.start({ nats, environment: { API_KEYS_FILE: file, API_PATH: "/api" } });
  system.startGateway({ API_PORT: String(port) });
  await system.until(() => system.gatewayHellos.length === 2 && system.gatewayHellos.every(({ serving }) => serving), "both serve");
});

afterAll(async () => {
  await system.stop();
  rmSync(folder, { recursive: true });
});

function call(path: string, { headers = {}, ...rest }: RequestInit = {}): Promise<Response> {
  return fetch(`${base}${path}`, { method: "POST", ...rest, headers: { authorization: `Bearer ${key}`, ...headers } });
}

const publish = (value: object, headers: Record<string, string> = {}) =>
  call("/publish", { body: JSON.stringify(value), headers: { "content-type": "application/json", ...headers } });

/** Until the gateways have read the file again. */
async function answers(status: number, ask: () => Promise<Response>): Promise<Response> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const response = await ask();
    if (response.status === status) return response;
    await response.body?.cancel();
    if (performance.now() > until) throw new Error(`waited in vain for ${status}, got ${response.status}`);
  }
}

/** On both gateways. */
async function subscribers(topic: string): Promise<TestClient[]> {
  const clients: TestClient[] = [];
  const gateways = new Set<string>();
  while (gateways.size < 2) {
    const client = await TestClient.open(`${system.url}/script/${topic}`);
    client.send([{ do: "subscribe", topic }, { do: "tell" }]);
    await client.receives(1);
    const [{ id }] = client.values as [{ id: string }];
    client.received.length = 0;
    gateways.add(id.split("-")[0] ?? "");
    clients.push(client);
  }
  return clients;
}

test("it is off until there is a key, and a key that is added or revoked counts without a restart", async () => {
  for (const url of [`${base}/openapi.json`, `${base}/counts`, `${system.url.replace("ws", "http")}/api/openapi.json`]) {
    expect((await fetch(url)).status).toBe(404);
  }
  writeKeys(file, withKey([], { name: "all", rights: all, key, now: new Date() }));
  await answers(200, () => call("/counts", { method: "GET" }));
  const other = newKey();
  const counts = () => call("/counts", { method: "GET", headers: { authorization: `Bearer ${other}` } });
  expect((await counts()).status).toBe(401);
  const before = readKeys(file);
  writeKeys(file, withKey(before, { name: "other", rights: all, key: other, now: new Date() }));
  await answers(200, counts);
  // What cannot be read changes nothing.
  writeFileSync(file, "{");
  await system.live("gateway")[1]?.says("could not be read");
  expect((await counts()).status).toBe(200);
  writeKeys(file, before);
  const refused = await answers(401, counts);
  expect(refused.headers.get("www-authenticate")).toBe("Bearer");
  expect(await refused.json()).toEqual({ error: "api.unauthorized", message: "this key is unknown, or was revoked" });
});

test("what is published reaches the subscribers of all gateways, in order and once", async () => {
  const clients = await subscribers("shop");
  const accepted = await publish({ topic: "shop", data: { sold: 1 } });
  expect([accepted.status, await accepted.json()]).toEqual([202, { published: 1 }]);
  await call("/publish/shop", { body: new Uint8Array([1, 2]), headers: { "content-type": "application/octet-stream" } });
  await call("/publish?topic=shop", { body: "text", headers: { "content-type": "text/plain" } });
  const messages = Array.from({ length: 100 }, (_, index) => ({ topic: "shop", data: index }));
  await call("/publish-many", { body: JSON.stringify({ messages }), headers: { "content-type": "application/json" } });
  for (const client of clients) {
    await client.receives(103);
    const [first, second, third, ...rest] = client.received;
    expect(first).toBe('{"sold":1}');
    expect(second).toEqual(Buffer.from([1, 2]));
    expect(third).toBe("text");
    expect(rest).toEqual(messages.map(({ data }) => String(data)));
    await client.close();
  }
});

test("a call that is sent again with its Idempotency-Key is not done again", async () => {
  const [client] = await subscribers("retry");
  for (let tries = 0; tries < 3; tries++) {
    expect((await publish({ topic: "retry", data: 1 }, { "idempotency-key": "a" })).status).toBe(202);
  }
  const other = await publish({ topic: "retry", data: 2 }, { "idempotency-key": "a" });
  expect([other.status, await other.json()]).toEqual([422, expect.objectContaining({ error: "api.idempotency" })]);
  await publish({ topic: "retry", data: 3 });
  await client?.until(() => client.received.includes("3"), "the last one arrives");
  expect(client?.received).toEqual(["1", "3"]);
});

test("what is kept is stored when it is answered, once however often and wherever it is sent, and the history has it", async () => {
  const clients = await subscribers("kept");
  const keep = { messages: 5, seconds: 60 };
  const anywhere = `${system.url.replace("ws", "http")}/api`;
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", "idempotency-key": "kept" };
  const history = async (last: number) => {
    const answer = await call(`/history?topic=kept&last=${last}`, { method: "GET" });
    return ((await answer.json()) as { entries: Array<{ position: string; text?: string; base64?: string }> }).entries;
  };
  const body = JSON.stringify({ topic: "kept", data: "first", keep });
  expect((await publish({ topic: "kept", data: "first", keep }, { "idempotency-key": "kept" })).status).toBe(202);
  expect(await history(5)).toEqual([{ position: expect.stringMatching(/:\d+$/), at: expect.any(String), text: '"first"' }]);
  // One of the two gateways has not heard of the call; the kernel deals these out by chance.
  for (let tries = 0; tries < 10; tries++) {
    const again = await fetch(`${anywhere}/publish`, { method: "POST", body, headers: { ...headers, connection: "close" } });
    expect(again.status).toBe(202);
  }
  const raw = { body: new Uint8Array([0, 255]), headers: { "content-type": "application/octet-stream" } };
  expect((await call("/publish/kept?keepMessages=5&keepSeconds=60", raw)).status).toBe(202);
  const messages = ["a", "b"].map((text) => ({ topic: "kept", text, keep }));
  await call("/publish-many", { body: JSON.stringify({ messages }), headers: { "content-type": "application/json" } });
  expect((await history(100)).map(({ text, base64 }) => text ?? base64)).toEqual(['"first"', "AP8=", "a", "b"]);
  expect((await history(2)).map(({ text }) => text)).toEqual(["a", "b"]);
  await publish({ topic: "kept", text: "not kept" });
  for (const client of clients) {
    await client.until(() => client.received.includes("not kept"), "the last one arrives");
    expect(client.received).toEqual(['"first"', Buffer.from([0, 255]), "a", "b", "not kept"]);
    await client.close();
  }
});

test("it is on the public port, too, beside the handlers", async () => {
  const [client] = await subscribers("public");
  const url = `${system.url.replace("ws", "http")}/api`;
  const headers = { authorization: `Bearer ${key}`, "content-type": "text/plain" };
  expect((await fetch(`${url}/publish/public`, { method: "POST", body: "hi", headers })).status).toBe(202);
  await client?.receives(1);
  const document = await fetch(`${url}/openapi.json`);
  expect(await document.json()).toMatchObject({ openapi: "3.1.0", servers: [{ url: "/api" }] });
  expect((await fetch(`${system.url.replace("ws", "http")}/apis`)).status).toBe(404);
});

test.each<[string, RequestInit, number, string]>([
  ["/counts", { method: "GET", headers: { authorization: "Basic abc" } }, 401, "api.unauthorized"],
  ["/nothing", {}, 404, "route.unknown"],
  ["/counts", {}, 405, "api.method"],
  ["/publish", { body: "a=b", headers: { "content-type": "application/x-www-form-urlencoded" } }, 415, "api.mediaType"],
  ["/publish", { body: "{}", headers: { "content-type": "application/json" } }, 400, "api.invalid"],
  ["/publish/a", { body: Buffer.alloc(262_145), headers: { "content-type": "application/octet-stream" } }, 413, "request.tooLarge"],
  [`/publish/${"a".repeat(8_200)}`, {}, 414, "url.tooLong"],
])("refused: %s %j", async (path, init, status, error) => {
  const response = await call(path, init);
  expect([response.status, await response.json()]).toEqual([status, { error, message: expect.any(String) }]);
});

test("a body whose end is in doubt is refused", async () => {
  const head = "POST /publish/a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc";
  expect(await RawClient.until(`ws://127.0.0.1:${port}`, head, "request.malformed")).toMatch(/^HTTP\/1\.1 400 /);
});

test("nobody else may listen there: a second gateway on the same API_PORT does not start", async () => {
  const second = system.startGateway({ API_PORT: String(port) });
  if (!second.ended) await once(second.child, "close");
  expect(second.output).toContain(`cannot listen on 127.0.0.1:${port}`);
  second.output = '"reason":"SIGTERM"';
});

test("503 while NATS is away: nothing is done, and the same call is done later", async () => {
  const [client] = await subscribers("away");
  await system.killNats();
  const send = () => publish({ topic: "away", data: 1 }, { "idempotency-key": "away" });
  const refused = await answers(503, () => publish({ topic: "nobody", data: 0 }));
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(await refused.json()).toMatchObject({ error: "nats.away" });
  expect((await send()).status).toBe(503);
  await system.bringNatsBack();
  await answers(202, send);
  expect((await send()).status).toBe(202);
  await publish({ topic: "away", data: 2 });
  await client?.until(() => client.received.includes("2"), "the last one arrives");
  expect(client?.received).toEqual(["1", "2"]);
});

test("no key is in a log or in the file", () => {
  expect(system.processes.map(({ output }) => output).join("")).not.toContain("ts_");
  expect(readFileSync(file, "utf8")).not.toContain(key);
});
