// The promise when workers and nats-server are killed instead of drained. Gateways: gateway-kill.test.ts.

import { afterEach, expect, test } from "vitest";
import { stretchedMs } from "../testbed/patience.ts";
import { refusal, TestClient } from "./client.ts";
import { expectWhole, load, type Told } from "./load.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

function openMany(path: string, count: number): Promise<TestClient[]> {
  return Promise.all(Array.from({ length: count }, () => TestClient.open(`${system.url}${path}`)));
}

test("kill -9 of one of two workers: its messages are redelivered, each takes effect once, in order", async () => {
  system = await TestSystem.start({ workers: 2 });
  system.keepWorkers();
  const clients = await openMany("/script/kill", 20);
  const running = load(clients);
  for (let kills = 0; kills < 3; kills++) {
    await running.progress(20);
    await system.live("worker")[0]?.end("SIGKILL");
    await running.progress(20);
    await system.until(() => system.live("worker").length === 2, "another worker is started");
  }
  const told = await running.stop();
  expectWhole(clients, told);
  expect(told.flat().some(({ redelivered }) => redelivered)).toBe(true);
  await Promise.all(clients.map((client) => client.close()));
});

test("kill -9 of the only worker, again while it redelivers: everything parks until another has started", async () => {
  system = await TestSystem.start();
  system.keepWorkers();
  const clients = await openMany("/script/only", 10);
  const running = load(clients);
  await running.progress(10);
  await system.live("worker")[0]?.end("SIGKILL");
  const known = system.workerHellos.map(({ id }) => id);
  await system.until(() => system.workerHellos.some(({ id }) => !known.includes(id)), "the next says hello");
  await system.live("worker")[0]?.end("SIGKILL");
  await running.progress(10);
  const told = await running.stop();
  expectWhole(clients, told);
  await Promise.all(clients.map((client) => client.close()));
});

test("killed between a flush and the end of its turn: the turn runs again and is told how often it had flushed", async () => {
  system = await TestSystem.start({ environment: { TURN_TIMEOUT_MS: "600000" } });
  const client = await TestClient.open(`${system.url}/script/flush`);
  client.send([
    { do: "tell" },
    { do: "count" },
    { do: "flush" },
    { do: "tell" },
    { do: "flush" },
    { do: "pause", ms: stretchedMs(3_000) },
    { do: "tell" },
  ]);
  await client.receives(2);
  await system.live("worker")[0]?.end("SIGKILL");
  await system.standBy("1");
  await client.receives(5);
  const [first, second, again, afterFlush, last] = client.values as Told[];
  expect([first, second]).toMatchObject([
    { redelivered: false, flushed: 0, count: 0 },
    { redelivered: false, flushed: 1, count: 1 },
  ]);
  expect([again, afterFlush]).toMatchObject([
    { redelivered: true, flushed: 2, count: 1 },
    { redelivered: true, flushed: 3, count: 2 },
  ]);
  expect(last?.turn).toBe(first?.turn);
  await client.close();
});

test("a stopped worker loses its connections; when it wakes, what it says is refused, and it starts clean", async () => {
  system = await TestSystem.start({ workers: 2, environment: { WORKER_TIMEOUT_MS: "2500" } });
  const clients = await openMany("/script/stop", 10);
  const running = load(clients);
  await running.progress(10);
  const [worker] = system.live("worker");
  worker?.child.kill("SIGSTOP");
  await running.progress(30);
  worker?.child.kill("SIGCONT");
  await system.until(() => Object.values(system.gatewayHellos[0]?.pins ?? {}).filter((pins) => pins > 0).length === 2, "it is back");
  await running.progress(20);
  const told = await running.stop();
  expectWhole(clients, told);
  await Promise.all(clients.map((client) => client.close()));
});

test("a handler in an endless loop costs its worker, not the others' messages", async () => {
  system = await TestSystem.start({ workers: 2, environment: { WORKER_TIMEOUT_MS: "2500" } });
  const clients = await openMany("/script/loop", 6);
  const poison = await TestClient.open(`${system.url}/script/poison`);
  const running = load(clients);
  await running.progress(10);
  poison.send([{ do: "spin" }]);
  // A supervisor would kill what hangs, and start another.
  system.keepWorkers();
  const handled = new Set<unknown>();
  const givenUp = () => (system.live("gateway")[0]?.logged("silent for too long") ?? []).filter(({ worker }) => !handled.has(worker));
  while (poison.closed === undefined) {
    await system.until(() => poison.closed !== undefined || givenUp().length > 0, "a worker is given up");
    for (const { worker } of givenUp()) {
      handled.add(worker);
      const hung = system.workerHellos.find(({ id }) => id === worker);
      if (hung === undefined) continue;
      process.kill(hung.pid, "SIGKILL");
      system.say({ kind: "gone", id: hung.id, reason: "exited" });
    }
  }
  expect((await poison.closes()).code).toBe(1011);
  await running.progress(10);
  expectWhole(clients, await running.stop());
  await Promise.all(clients.map((client) => client.close()));
});

test("a poisonous message among innocent connections is set aside after three workers; nobody else is closed", async () => {
  system = await TestSystem.start({ workers: 2 });
  system.keepWorkers();
  const journal = await TestClient.open(`${system.url}/journal/poison`);
  await journal.receives(1);
  const poison = await TestClient.open(`${system.url}/script/poison`);
  const clients = await openMany("/script/innocent", 200);
  const running = load(clients);
  await running.progress(3);
  poison.send([{ do: "count" }]);
  poison.send([{ do: "exit" }]);
  poison.send([{ do: "count" }]);
  expect(await poison.closes()).toEqual({ code: 1011, reason: "message.poison" });
  await journal.receives(3);
  expect(JSON.parse(String(journal.received[2]))).toMatchObject({ code: 1011, count: 1 });
  await running.progress(3);
  expectWhole(clients, await running.stop());
  const { counters } = await system.status();
  expect(counters.poison).toBe(1);
  expect(system.processes.filter(({ child }) => child.exitCode === 13)).toHaveLength(3);
  expect(system.live("gateway")[0]?.logged("set aside")).toMatchObject([{ code: "message.poison", route: "/script/:room" }]);
  await Promise.all([...clients, journal].map((client) => client.close()));
});

test("a request and an upgrade that kill workers are given up after three each; nobody else is closed", async () => {
  system = await TestSystem.start({ workers: 2 });
  system.keepWorkers();
  const clients = await openMany("/script/bystander", 20);
  const running = load(clients);
  await running.progress(3);
  const request = await fetch(`http://127.0.0.1:${system.port}/gate/exit`);
  expect([request.status, await request.text()]).toEqual([500, expect.stringContaining("request.poison")]);
  expect(await refusal(`${system.url}/gate/exit`)).toMatchObject({ status: 500, body: expect.stringContaining("request.poison") });
  await running.progress(3);
  expectWhole(clients, await running.stop());
  expect(system.processes.filter(({ child }) => child.exitCode === 13)).toHaveLength(6);
  expect(system.live("gateway")[0]?.logged("given up")).toMatchObject([
    { kind: "request", path: "/gate/exit" },
    { kind: "upgrade", path: "/gate/exit" },
  ]);
  await Promise.all(clients.map((client) => client.close()));
});

test("a poisonous message at one gateway: who runs alone at another one in the same worker is not blamed", async () => {
  system = await TestSystem.start({ gateways: 2, workers: 1 });
  system.keepWorkers();
  const clients = await openMany("/script/two", 20);
  const gatewayOf = async (client: TestClient) => {
    client.send([{ do: "tell" }]);
    await client.receives(1);
    return (client.values[0] as Told).id.split("-")[0];
  };
  expect(new Set(await Promise.all(clients.map(gatewayOf))).size).toBe(2);
  // The first of its gateway's to run alone.
  const [poison, ...innocents] = clients as [TestClient, ...TestClient[]];
  poison.send([{ do: "pause", ms: 100 }, { do: "exit" }]);
  // Each is long enough for the worker to die meanwhile.
  for (const client of innocents) client.send([{ do: "pause", ms: 200 }, { do: "count" }, { do: "tell" }]);
  expect(await poison.closes()).toEqual({ code: 1011, reason: "message.poison" });
  await Promise.all(
    innocents.map((client) => client.until(() => client.received.length === 2 || client.closed !== undefined, "it is answered")),
  );
  for (const { values, closed } of innocents) expect([values[1], closed]).toMatchObject([{ count: 1 }, undefined]);
  await Promise.all(innocents.map((client) => client.close()));
});

test("nats-server killed, ten times in a row: sockets stay, links resume, nothing is lost or doubled", async () => {
  system = await TestSystem.start({ workers: 2 });
  const clients = await openMany("/script/nats", 10);
  const running = load(clients);
  for (let kills = 0; kills < 10; kills++) {
    await running.progress(3);
    await system.restartNats();
  }
  await running.progress(10);
  const told = await running.stop();
  expectWhole(clients, told);
  const { counters } = await system.status();
  expect(counters).toMatchObject({ redelivered: 0 });
  await Promise.all(clients.map((client) => client.close()));
});

test("a NATS that stays away longer than PARK_MS closes what waits with 1013, and what waits for nothing stays", async () => {
  system = await TestSystem.start({ environment: { PARK_MS: "700" } });
  const [idle, busy] = await openMany("/echo", 2);
  for (const client of [idle, busy]) client?.send("hello");
  await Promise.all([idle?.receives(1), busy?.receives(1)]);
  const { adminPort } = system.gatewayHellos[0] ?? { adminPort: 0 };
  await system.killNats();
  await system.live("gateway")[0]?.says("NATS is gone");
  busy?.send("anybody?");
  expect(await busy?.closes()).toEqual({ code: 1013, reason: "nats.away" });
  const ready = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
  expect({ status: ready.status, text: await ready.text() }).toMatchObject({ status: 503, text: expect.stringContaining("NATS") });
  await system.bringNatsBack();
  idle?.send("back?");
  await idle?.receives(2);
  await system.until(() => system.gatewayHellos[0]?.connections === 1, "the other one's onClose has run");
  await idle?.close();
});
