// The HTTP API's calls that are about all gateways: two of them, each with a port of its own, for clients and for programs.

import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withKey } from "../process/api-keys/changes.ts";
import { newKey, writeKeys } from "../process/api-keys/key-file.ts";
import { freePort } from "../supervisor/port.ts";
import { patienceMs } from "../testbed/patience.ts";
import { TestClient } from "./client.ts";
import { type TestProcess, TestSystem } from "./system.ts";

interface Gateway {
  readonly process: TestProcess;
  /** Where clients connect. */
  readonly url: string;
  /** Where programs call. */
  readonly api: string;
}

let system: TestSystem;
let folder: string;
/** The first one waits for others for a second only. */
let hasty: Gateway;
let patient: Gateway;
const key = newKey();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "http-api-users-"));
  const file = join(folder, "keys.json");
  const rights = { publish: [], users: ["*"], members: ["*"], history: [] };
  writeKeys(file, withKey([], { name: "all", rights, key, now: new Date() }));
  system = await TestSystem.start({ gateways: 0, environment: { API_KEYS_FILE: file } });
  hasty = await startGateway({ API_TIMEOUT_MS: "1000" });
  patient = await startGateway({ API_TIMEOUT_MS: "60000" });
});

afterAll(async () => {
  await system.stop();
  rmSync(folder, { recursive: true });
});

async function startGateway(environment: Record<string, string>): Promise<Gateway> {
  const [port, apiPort] = [await freePort("127.0.0.1"), await freePort("127.0.0.1")];
  const process = system.startGateway({ PORT: String(port), API_PORT: String(apiPort), ...environment });
  await system.until(() => system.gatewayHellos.some(({ pid, serving }) => pid === process.pid && serving), "the gateway serves");
  return { process, url: `ws://127.0.0.1:${port}`, api: `http://127.0.0.1:${apiPort}` };
}

async function open({ url }: Gateway, user: string): Promise<TestClient> {
  const client = await TestClient.open(`${url}/app/${user}`);
  await client.receives(1);
  client.received.length = 0;
  return client;
}

async function call({ api }: Gateway, path: string, body?: object, headers: Record<string, string> = {}) {
  const authorization = `Bearer ${key}`;
  const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(`${api}${path}`, { ...init, headers: { authorization, "content-type": "application/json", ...headers } });
  return { status: response.status, body: (await response.json()) as { error?: string; connections?: number } };
}

/** Sent again, with the same key, until it is answered like this: gateways have to get to know each other first, say. */
async function answers(status: number, gateway: Gateway, path: string, body: object, idempotencyKey: string = randomUUID()) {
  const until = performance.now() + patienceMs;
  for (;;) {
    const answer = await call(gateway, path, body, { "idempotency-key": idempotencyKey });
    if (answer.status === status) return answer.body;
    if (performance.now() > until) throw new Error(`waited in vain for ${status}: ${JSON.stringify(answer)}`);
  }
}

test("a message reaches all connections of a user at all gateways, in order, and nobody else's", async () => {
  const ada = [await open(hasty, "ada"), await open(patient, "ada"), await open(patient, "ada")];
  const bob = await open(patient, "bob");
  expect(await answers(202, hasty, "/send-to-user", { user: "ada", data: { price: 7 } })).toEqual({ connections: 3 });
  expect(await answers(202, patient, "/send-to-user", { user: "ada", text: "two" })).toEqual({ connections: 3 });
  expect(await answers(202, patient, "/send-to-user", { user: "ada", base64: "AP8=" })).toEqual({ connections: 3 });
  expect(await answers(202, patient, "/send-to-user", { user: "nobody", text: "" })).toEqual({ connections: 0 });
  await answers(202, hasty, "/send-to-user", { user: "bob", text: "last" });
  for (const client of ada) {
    await client.receives(3);
    expect(client.received).toEqual(['{"price":7}', "two", Buffer.from([0, 255])]);
  }
  await bob.receives(1);
  expect(bob.received).toEqual(["last"]);
  expect(await answers(202, hasty, "/close-user", { user: "ada", code: 4010, reason: "locked" })).toEqual({ connections: 3 });
  for (const client of ada) expect(await client.closes()).toEqual({ code: 4010, reason: "locked" });
  expect(bob.isOpen).toBe(true);
  await bob.close();
});

test("members of all gateways come in pages, and all are counted", async () => {
  const names = ["Ada", "Bob", "Cyd", "Dan", "Eve"];
  const clients = await Promise.all(names.map((_, index) => TestClient.open(`${(index % 2 === 0 ? hasty : patient).url}/script/members`)));
  for (const [index, client] of clients.entries()) {
    client.send([{ do: "subscribe", topic: "room:1", as: { name: names[index] } }, { do: "tell" }]);
    await client.receives(1);
  }
  const found: string[] = [];
  let cursor = "";
  for (let pages = 0; pages < 5; pages++) {
    const { body } = await call(patient, `/members?topic=room%3A1&limit=2${cursor}`);
    const { members, next } = body as { members: Array<{ info: { name: string } }>; next?: string };
    expect(members.length).toBeLessThanOrEqual(2);
    found.push(...members.map(({ info }) => info.name));
    if (next === undefined) break;
    cursor = `&cursor=${next}`;
  }
  expect(found.sort()).toEqual(names);
  const { body } = await call(hasty, "/counts");
  const { connections, gateways } = body as { connections: number; gateways: Array<{ connections: number; topics: number }> };
  expect(gateways.map(({ topics }) => topics)).toEqual([1, 1]);
  expect(connections).toBe(gateways.reduce((sum, each) => sum + each.connections, 0));
  expect(connections).toBeGreaterThanOrEqual(names.length);
  await Promise.all(clients.map((client) => client.close()));
});

test("a gateway that stands still fails the call; sent again, with either gateway, it is done once everywhere", async () => {
  const ada = [await open(hasty, "ada"), await open(patient, "ada")];
  const idempotencyKey = randomUUID();
  const message = { user: "ada", data: "once" };
  process.kill(patient.process.pid, "SIGSTOP");
  const refused = await call(hasty, "/send-to-user", message, { "idempotency-key": idempotencyKey });
  expect(refused).toMatchObject({ status: 503, body: { error: "api.unanswered" } });
  process.kill(patient.process.pid, "SIGCONT");
  for (const gateway of [hasty, patient, hasty]) {
    expect(await answers(202, gateway, "/send-to-user", message, idempotencyKey)).toEqual({ connections: 2 });
  }
  await answers(202, patient, "/send-to-user", { user: "ada", text: "last" });
  for (const client of ada) {
    await client.until(() => client.received.includes("last"), "the last one arrives");
    expect(client.received).toEqual(['"once"', "last"]);
    await client.close();
  }
});

test("a gateway that was killed fails calls only until its end is known", async () => {
  const third = await startGateway({});
  const doomed = system.gatewayHellos.find(({ pid }) => pid === third.process.pid);
  const client = await open(hasty, "ada");
  await answers(202, hasty, "/send-to-user", { user: "ada", text: "before" });
  await third.process.end("SIGKILL");
  expect(await call(hasty, "/send-to-user", { user: "ada", text: "?" })).toMatchObject({ status: 503, body: { error: "api.unanswered" } });
  system.say({ kind: "gone", id: doomed?.id ?? "", reason: "exited" });
  expect(await answers(202, hasty, "/send-to-user", { user: "ada", text: "after" })).toEqual({ connections: 1 });
  await client.receives(3);
  expect(client.received).toEqual(["before", "?", "after"]);
  await client.close();
});
