// Who a client is, on a running system with two gateways and two workers: cookies, tokens, tickets; and nothing secret in a log.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestIssuer, testIssuer } from "../worker/auth/testing.ts";
import { refusal, TestClient } from "./client.ts";
import { startNats } from "./nats.ts";
import { TestSystem } from "./system.ts";

const issued = { issuer: "https://id.example.com", audience: "chat" };
let folder: string;
let system: TestSystem;
let issuer: TestIssuer;
/** Its keys, as the server of the issuer gives them out. */
let served: { keys: unknown[] };
const server = createServer((_request, response) => response.end(JSON.stringify(served)));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-auth-"));
  issuer = await testIssuer(issued);
  served = issuer.jwks;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const environment = {
    SESSION_SECRET: "a secret of at least thirty-two bytes",
    JWKS: `http://127.0.0.1:${port}/jwks.json`,
    JWKS_FILE: join(folder, "jwks.json"),
    LOG_LEVEL: "trace",
    EXPIRE_GRACE_MS: "1",
  };
  const nats = await startNats(0, ["-js", "-sd", join(folder, "jetstream")]);
  system = await TestSystem.start({ handlers: "auth", workers: 2, gateways: 2, environment, nats });
  system.keepWorkers();
});

afterAll(async () => {
  await system.stop();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

function http(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${system.url.replace("ws:", "http:")}${path}`, init);
}

async function login(user: string): Promise<string> {
  const response = await http("/session", { method: "POST", body: user });
  return response.headers.get("set-cookie")?.split(";")[0] ?? "";
}

async function ticketFor(user: string): Promise<string> {
  const response = await http("/session", { headers: { cookie: await login(user) } });
  return ((await response.json()) as { ticket: string }).ticket;
}

async function firstWords(url: string, headers: Record<string, string> = {}): Promise<unknown> {
  const client = await TestClient.open(`${system.url}${url}`, { headers });
  await client.until(() => client.received.length > 0 || client.closed !== undefined, "it is let in or refused");
  if (client.isOpen) await client.close();
  return client.values[0];
}

test("a session's cookie opens a connection that ends with it; without one, or with a changed one, 401", async () => {
  const cookie = await login("ada");
  expect(await firstWords("/session", { cookie })).toEqual({ user: "ada", expires: true });
  for (const wrong of [undefined, `${cookie}x`, "session=a.b.c"]) {
    const answer = await refusal(`${system.url}/session`, { headers: wrong === undefined ? {} : { cookie: wrong } });
    expect(answer).toMatchObject({ status: 401, body: expect.stringContaining("auth.refused") });
    expect(answer.headers["www-authenticate"]).toBe("Bearer");
  }
  expect((await http("/session")).status).toBe(401);
});

test("a token in the header, and in the query, with the claims of its schema", async () => {
  const token = await issuer.token({ sub: "ada", role: "admin" });
  expect(await firstWords("/token/header", { authorization: `Bearer ${token}` })).toEqual({ user: "ada", role: "admin" });
  expect(await firstWords(`/token/query?token=${token}`)).toEqual({ user: "ada", role: "admin" });
  const bad = await issuer.token({ sub: "ada", role: "emperor" });
  expect(await refusal(`${system.url}/token/query?token=${bad}`)).toMatchObject({ status: 401 });
});

test("a token in the first message names the connection; before that nothing is done, and after its deadline it is closed", async () => {
  const client = await TestClient.open(`${system.url}/token/message`);
  client.send({ token: await issuer.token({ sub: "ada", role: "player" }) });
  client.send({ text: "hi" });
  await client.receives(3);
  expect(client.values.slice(1)).toEqual([
    { user: "ada", role: "player" },
    { from: "ada", role: "player", text: "hi" },
  ]);
  client.send({ token: await issuer.token({ sub: "eve", role: "player" }) });
  expect(await client.closes()).toEqual({ code: 4401, reason: "auth.refused" });
  const hasty = await TestClient.open(`${system.url}/token/message`);
  hasty.send({ text: "hi" });
  expect(await hasty.closes()).toEqual({ code: 4401, reason: "auth.refused" });
  const silent = await TestClient.open(`${system.url}/token/message?ms=1`);
  expect(await silent.closes()).toEqual({ code: 4401, reason: "auth.refused" });
});

test("a ticket is good for one connection, whichever gateway and worker have it", async () => {
  const ticket = await ticketFor("ada");
  const shown = await Promise.all(Array.from({ length: 8 }, () => firstWords(`/ticket?ticket=${ticket}`)));
  expect(shown.filter((words) => words !== undefined)).toEqual([{ user: "ada", expires: true }]);
  expect(await refusal(`${system.url}/ticket?ticket=${ticket}`)).toMatchObject({ status: 401 });
  expect(await refusal(`${system.url}/ticket?ticket=`)).toMatchObject({ status: 401 });
});

test("a worker that dies when it has taken a ticket: the same upgrade has it in the next worker, and nobody else", async () => {
  const ticket = await ticketFor("ada");
  const died = join(folder, "died");
  const client = new TestClient(`${system.url}/ticket?ticket=${ticket}&dies=${encodeURIComponent(died)}`);
  const redelivered = new Promise((resolve) => client.socket.on("upgrade", ({ headers }) => resolve(headers["x-redelivered"])));
  await client.receives(1);
  expect(client.values[0]).toEqual({ user: "ada", expires: true });
  expect(await redelivered).toBe("true");
  await client.close();
  expect(await refusal(`${system.url}/ticket?ticket=${ticket}`)).toMatchObject({ status: 401 });
});

test("the issuer's keys may change: a token with a new one is let in", async () => {
  const file = join(folder, "next.json");
  const next = await testIssuer(issued);
  writeFileSync(file, JSON.stringify(next.jwks));
  served = { keys: [...issuer.jwks.keys, ...next.jwks.keys] };
  // The workers that have fetched the keys just now ask for unknown ones after 30 s only: others have fetched none yet.
  await system.deploy("2", { workers: 2 });
  expect(await firstWords(`/token/query?token=${await next.token({ sub: "ada", role: "player" })}`)).toMatchObject({ user: "ada" });
});

test("a key file that is gone is warned of in the worker's log", async () => {
  const file = join(folder, "jwks.json");
  writeFileSync(file, JSON.stringify(issuer.jwks));
  const token = await issuer.token({ sub: "ada" });
  expect(await firstWords(`/file?token=${token}`)).toEqual({ user: "ada" });
  rmSync(file);
  const stranger = await (await testIssuer(issued)).token({ sub: "ada" });
  const warnings = () => system.processes.flatMap((process) => process.logged("those read before are good for 1 h"));
  // An unknown key is looked for once a second at most.
  while (warnings().length === 0) await refusal(`${system.url}/file?token=${stranger}`);
  expect(warnings()[0]).toMatchObject({ level: 40, code: "auth.unavailable", msg: expect.stringContaining(file) });
});

test("neither tokens nor tickets nor cookies are in any log, whatever becomes of the request, at any level", async () => {
  const token = await issuer.token({ sub: "ada", role: "player" });
  const secret = token.slice(-40);
  const query = `token=${token}`;
  await firstWords(`/token/query?${query}`);
  for (const path of ["/token/throws", "/token/query", "/nowhere", "/session", "/ticket"]) {
    await refusal(`${system.url}${path}?${query}x&ticket=${secret}`, {
      headers: { origin: "https://elsewhere.example", cookie: `session=${token}` },
    });
    await refusal(`${system.url}${path}?${query}x&ticket=${secret}`, { headers: { cookie: `session=${token}` } }).catch(() => undefined);
    await http(`${path}?${query}`, { headers: { cookie: `session=${token}` } });
  }
  await refusal(`${system.url}/token/throws?${query}`);
  const client = await TestClient.open(`${system.url}/token/query?${query}`);
  client.send("not JSON");
  await client.closes();
  client.breakOff();
  await system.deploy("3", { workers: 1 });
  expect(system.processes.some(({ output }) => output.includes("after all"))).toBe(true);
  for (const { output } of system.processes) expect(output).not.toContain(secret);
});
