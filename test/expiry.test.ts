// Connections that expire, on a running system: asked once, also through a deploy and a killed worker, and closed with 4401 else.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

/** Longer than any test. */
const long = { EXPIRE_GRACE_MS: "3600000" };
const short = { EXPIRE_GRACE_MS: "1" };

function start(environment: Readonly<Record<string, string>>, workers = 1): Promise<TestSystem> {
  return TestSystem.start({ handlers: "expiry", workers, environment });
}

interface Told {
  readonly expired: string;
  readonly redelivered: boolean;
  readonly release: string;
}

function asked(client: TestClient): Told[] {
  return client.values.filter((value): value is Told => typeof value === "object" && value !== null && "expired" in value);
}

function isAsked(client: TestClient, times = 1): Promise<void> {
  return client.until(() => asked(client).length >= times, `it is asked ${times} times`);
}

/** Resolves when all that the gateway has begun for the client is done: a turn behind it is. */
async function settled(client: TestClient): Promise<void> {
  const answers = () => client.values.filter((value) => "user" in (value as object)).length;
  const before = answers();
  client.send({ tell: true });
  await client.until(() => answers() > before, "a later turn answers");
}

test("a handler without onExpire: the connection is closed with 4401 when its time has come, and its onClose is told", async () => {
  system = await start(long);
  const client = await TestClient.open(`${system.url}/bare?ms=300`);
  expect(await client.closes()).toEqual({ code: 4401, reason: "auth.expired" });
});

test("it is asked once, and closed with 4401 where nothing follows within the grace period", async () => {
  system = await start(short);
  const watch = await TestClient.open(`${system.url}/watch/a`);
  await watch.receives(1);
  const client = await TestClient.open(`${system.url}/lease/a?ms=200`);
  expect(await client.closes()).toEqual({ code: 4401, reason: "auth.expired" });
  expect(asked(client)).toHaveLength(1);
  await watch.receives(2);
  const { opened } = client.values[0] as { opened: string };
  expect(watch.values[1]).toEqual({ close: opened, code: 4401, reason: "auth.expired" });
  await watch.close();
});

test("a client that shows something new in time goes on, and is asked again when that has come to its end", async () => {
  system = await start(long);
  const client = await TestClient.open(`${system.url}/lease/a?ms=100`);
  await isAsked(client);
  client.send({ extendMs: 100 });
  await isAsked(client, 2);
  client.send({ extendMs: 3_600_000 });
  await settled(client);
  const ids = asked(client).map(({ expired }) => expired);
  expect(new Set(ids).size).toBe(2);
  expect(client.isOpen).toBe(true);
  await client.close();
});

test("its time survives a deploy: the next release asks, once", async () => {
  system = await start(long, 2);
  const clients = await Promise.all(Array.from({ length: 20 }, () => TestClient.open(`${system.url}/lease/a`)));
  for (const client of clients) client.send({ extendMs: 3_600_000 });
  await Promise.all(clients.map(settled));
  const times = clients.map(({ values }) => (values.at(-1) as { expiresAt: number }).expiresAt);
  await system.deploy("2", { workers: 2 });
  await Promise.all(clients.map(settled));
  expect(clients.map(({ values }) => (values.at(-1) as { expiresAt: number }).expiresAt)).toEqual(times);
  for (const client of clients) client.send({ extendMs: 50 });
  await Promise.all(clients.map((client) => isAsked(client)));
  await system.deploy("3", { workers: 2 });
  await Promise.all(clients.map(settled));
  for (const client of clients) expect(asked(client)).toMatchObject([{ release: "2" }]);
  await Promise.all(clients.map((client) => client.close()));
});

test("deploys and killed workers all the time: each time that comes is told exactly once", async () => {
  system = await start(long, 2);
  system.keepWorkers();
  const clients = await Promise.all(Array.from({ length: 20 }, (_, index) => TestClient.open(`${system.url}/lease/a?ms=${index * 40}`)));
  let extended = 0;
  for (const client of clients) {
    let seen = 0;
    client.socket.on("message", () => {
      for (; seen < asked(client).length; seen++) {
        // Not the last time: what is asked too often would be seen.
        client.send({ extendMs: seen < 3 ? 100 : 3_600_000 });
        extended++;
      }
    });
  }
  for (let kills = 0; kills < 3; kills++) {
    await system.live("worker")[0]?.end("SIGKILL");
    await system.until(() => system.live("worker").length === 2, "another worker is started");
  }
  await Promise.all(clients.map((client) => isAsked(client, 4)));
  await Promise.all(clients.map(settled));
  for (const client of clients) {
    const ids = asked(client).map(({ expired }) => expired);
    expect(ids).toHaveLength(4);
    expect(new Set(ids).size).toBe(4);
  }
  expect(extended).toBe(80);
  await Promise.all(clients.map((client) => client.close()));
});

test("a worker that dies while it asks: another one asks, marked as redelivered", async () => {
  system = await start(long, 2);
  const client = await TestClient.open(`${system.url}/lease/a?ms=100&dies`);
  await isAsked(client);
  await settled(client);
  expect(asked(client)).toMatchObject([{ redelivered: true, expired: expect.stringMatching(/:expire-\d+$/) }]);
  await client.close();
});

test("its time comes while there is no worker: the next one asks, and the grace period begins then", async () => {
  system = await start({ EXPIRE_GRACE_MS: "3600000" });
  const client = await TestClient.open(`${system.url}/lease/a?ms=1`);
  await isAsked(client);
  client.send({ extendMs: 600 });
  await settled(client);
  await system.live("worker")[0]?.end("SIGKILL");
  await system.until(() => (system.gatewayHellos[0]?.parked ?? 0) > 0, "the event is parked");
  system.startWorker("1");
  await isAsked(client, 2);
  await settled(client);
  expect(asked(client)).toHaveLength(2);
  await client.close();
});

test("what a client has shown in time counts, though the worker that was given it dies", async () => {
  system = await start({ EXPIRE_GRACE_MS: "600" }, 2);
  const client = await TestClient.open(`${system.url}/lease/a?ms=1`);
  await isAsked(client);
  const watch = await TestClient.open(`${system.url}/watch/a`);
  client.send({ die: true, extendMs: 3_600_000 });
  await settled(client);
  expect(client.isOpen).toBe(true);
  await Promise.all([client.close(), watch.close()]);
});

test("a release that does not ask any more: the connection is closed with 4401", async () => {
  system = await start(long);
  const client = await TestClient.open(`${system.url}/lease/a`);
  client.send({ extendMs: 3_600_000 });
  await settled(client);
  await system.deploy("2", { handlers: "lease-without" });
  client.send({ extendMs: 1 });
  expect(await client.closes()).toEqual({ code: 4401, reason: "auth.expired" });
});

test("a user who is named later is found by app.closeUser, also after a deploy; app.close closes one connection", async () => {
  system = await start(long, 2);
  const [named, other, third] = await Promise.all(["a", "b", "c"].map((room) => TestClient.open(`${system.url}/lease/${room}`)));
  if (named === undefined || other === undefined || third === undefined) throw new Error("not opened");
  named.send({ user: "ada" });
  await settled(named);
  await system.deploy("2", { workers: 2 });
  await settled(named);
  expect(named.values.at(-1)).toEqual({ user: "ada", expiresAt: null });
  other.send({ closeUser: "ada" });
  expect(await named.closes()).toEqual({ code: 4011, reason: "banned" });
  const { opened } = third.values[0] as { opened: string };
  other.send({ close: opened });
  expect(await third.closes()).toEqual({ code: 4010, reason: "moved" });
  other.send({ close: opened });
  await other.receives(4);
  expect(other.values.slice(1)).toEqual([{ closed: 1 }, { closed: true }, { closed: false }]);
  await other.close();
});
