// The promise when processes are not killed, but stand still, and go on: a debugger, a machine that was paused or has no memory.

import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { decodeAnnouncement } from "../protocol/membership.ts";
import { stretchedMs } from "../testbed/patience.ts";
import { TestClient } from "./client.ts";
import { LineClient } from "./line-client.ts";
import { expectWhole, load, type Told, turn } from "./load.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;
/** A process that is only busy is not silent for so long. */
const limitMs = stretchedMs(2_000);
/** The shortest that goes with it. */
const natsLimitMs = 500;
const gatewayLimitMs = Math.max(8_001, 1.5 * limitMs);

afterEach(() => system.stop());

function openMany(path: string, count: number): Promise<TestClient[]> {
  return Promise.all(Array.from({ length: count }, () => TestClient.open(`${system.url}${path}`)));
}

test("a gateway that has stood still for longer than WORKER_TIMEOUT_MS takes no worker for dead", async () => {
  system = await TestSystem.start({ workers: 2, environment: { WORKER_TIMEOUT_MS: String(limitMs) } });
  const clients = await openMany("/script/still", 5);
  const running = load(clients);
  await running.progress(5);
  const gateway = system.live("gateway")[0];
  gateway?.child.kill("SIGSTOP");
  await pause(limitMs + 1_500);
  gateway?.child.kill("SIGCONT");
  await running.progress(20);
  expectWhole(clients, await running.stop());
  expect(gateway?.logged("worker left")).toEqual([]);
  await Promise.all(clients.map((client) => client.close()));
});

test("when everything has stood still for longer than all time-outs, as a machine that was paused, nobody takes anybody for dead", async () => {
  system = await TestSystem.start({
    workers: 2,
    environment: {
      WORKER_TIMEOUT_MS: String(limitMs),
      GATEWAY_TIMEOUT_MS: String(gatewayLimitMs),
      NATS_TIMEOUT_MS: String(natsLimitMs),
      // Turns that were under way go on, too.
      TURN_TIMEOUT_MS: String(limitMs),
    },
  });
  const journal = await TestClient.open(`${system.url}/journal/paused`);
  const clients = await openMany("/script/paused", 5);
  const running = load(clients);
  await running.progress(5);
  const waiting = await TestClient.open(`${system.url}/script/paused`);
  waiting.send([{ do: "send", data: 1 }, { do: "flush" }, { do: "pause", ms: limitMs / 2 }, { do: "send", data: 2 }]);
  await waiting.receives(1);
  const gateway = system.live("gateway")[0];
  const workers = system.live("worker");
  const all = [system.nats.process, gateway?.child, ...workers.map(({ child }) => child)];
  for (const process of all) process?.kill("SIGSTOP");
  await pause(gatewayLimitMs + 1_500);
  for (const process of all) process?.kill("SIGCONT");
  await running.progress(20);
  expectWhole(clients, await running.stop());
  expect(gateway?.logged("worker left")).toEqual([]);
  expect(workers.flatMap((worker) => worker.logged("gateway left"))).toEqual([]);
  expect(
    journal.received.map(String).filter((text) => text.includes('"close"')),
    "onClose of a client that is there",
  ).toEqual([]);
  await waiting.receives(2);
  expect(waiting.values).toEqual([1, 2]);
  await Promise.all([...clients, waiting, journal].map((client) => client.close()));
});

test("a NATS that stands still for longer than WORKER_TIMEOUT_MS is nobody's death: nothing is redelivered", async () => {
  system = await TestSystem.start({ workers: 2, environment: { WORKER_TIMEOUT_MS: String(limitMs) } });
  const clients = await openMany("/script/frozen", 5);
  const running = load(clients);
  await running.progress(5);
  system.nats.process.kill("SIGSTOP");
  await pause(limitMs + 1_500);
  system.nats.process.kill("SIGCONT");
  await running.progress(20);
  expectWhole(clients, await running.stop());
  expect(system.live("gateway")[0]?.logged("worker left")).toEqual([]);
  await Promise.all(clients.map((client) => client.close()));
});

test("a gateway that has stood still for so long that workers ran onClose: its clients are told to come back, and hear no second one", async () => {
  system = await TestSystem.start({
    gateways: 2,
    workers: 2,
    environment: { GATEWAY_TIMEOUT_MS: String(gatewayLimitMs), NATS_TIMEOUT_MS: String(natsLimitMs) },
  });
  const clients = await openMany("/script/forgotten", 12);
  for (const client of clients) client.send(turn);
  await Promise.all(clients.map((client) => client.receives(1)));
  const idOf = (client: TestClient) => (client.values[0] as Told).id;
  const [still] = system.live("gateway");
  const { id } = system.gatewayHellos.find(({ pid }) => pid === still?.pid) ?? { id: "" };
  const lost = clients.filter((client) => idOf(client).startsWith(id));
  const [listener, ...kept] = clients.filter((client) => !lost.includes(client)) as [TestClient, ...TestClient[]];
  listener.send([{ do: "subscribe", topic: "journal:forgotten" }, { do: "tell" }]);
  await listener.receives(2);
  still?.child.kill("SIGSTOP");
  await listener.receives(2 + lost.length);
  still?.child.kill("SIGCONT");
  expect(await Promise.all(lost.map((client) => client.closes()))).toEqual(lost.map(() => ({ code: 1012, reason: "gateway.forgotten" })));
  // Behind whatever else there was to say of them.
  await system.until(() => system.gatewayHellos.find((hello) => hello.id === id)?.connections === 0, "nothing is left");
  const again = await openMany("/script/forgotten", 8);
  for (const client of again) client.send(turn);
  await Promise.all(again.map((client) => client.receives(1)));
  await listener.receives(2 + lost.length + again.length);
  const told = listener.values.slice(2) as Array<{ close?: string; code?: number; open?: string }>;
  expect(told.flatMap(({ close }) => close ?? []).sort()).toEqual(lost.map(idOf).sort());
  expect(told.flatMap(({ code }) => code ?? [])).toEqual(lost.map(() => 1006));
  expect(kept.map(({ closed }) => closed)).toEqual(kept.map(() => undefined));
  await Promise.all([listener, ...kept, ...again].map((client) => client.close()));
});

test("a worker that has stood still for so long that others got its connections has none of them when it goes on", async () => {
  system = await TestSystem.start({ workers: 2, environment: { WORKER_TIMEOUT_MS: String(limitMs) } });
  const [client] = (await openMany("/script/stale", 1)) as [TestClient];
  client.send(turn);
  await client.receives(1);
  await system.until(() => system.workerHellos.some(({ connections }) => connections === 1), "one has it");
  const [still] = system.workerHellos.filter(({ connections }) => connections === 1);
  const worker = system.live("worker").find(({ pid }) => pid === still?.pid);
  const joined = () => (system.live("gateway")[0]?.logged("worker joined") ?? []).filter(({ worker: id }) => id === still?.id).length;
  worker?.child.kill("SIGSTOP");
  await system.until(() => system.gatewayHellos[0]?.pins[still?.id ?? ""] === undefined, "it is taken for dead");
  worker?.child.kill("SIGCONT");
  await system.until(() => joined() === 2, "it is back");
  await system.until(() => system.workerHellos.find(({ id }) => id === still?.id)?.connections === 0, "it has forgotten the connection");
  client.send(turn);
  await client.receives(2);
  await client.close();
});

test("a gateway's goodbye is its last word, whoever asks", async () => {
  system = await TestSystem.start({ gateways: 1 });
  const heard: string[] = [];
  system.bus.subscribe(system.subjects.members, ({ payload }) => {
    const said = decodeAnnouncement(payload);
    if (said.kind === "gateway" || said.kind === "gone") heard.push(`${said.kind} ${said.id}`);
  });
  const asking = setInterval(() => {
    for (let count = 0; count < 20; count++) system.say({ kind: "ask" });
  }, 1);
  for (let round = 0; round < 4; round++) {
    const [gateway] = system.live("gateway");
    const { id } = system.gatewayHellos.find(({ pid }) => pid === gateway?.pid) ?? { id: "" };
    await gateway?.end();
    await system.bus.flush();
    expect(heard.slice(heard.indexOf(`gone ${id}`))).toEqual([`gone ${id}`]);
    system.startGateway();
    await system.until(() => system.gatewayHellos.some(({ serving }) => serving), "another one serves");
  }
  clearInterval(asking);
});

test("gateways that have stood still for longer than 20 s give up no requests that they pass to each other", async () => {
  system = await TestSystem.start({ handlers: "sessions", gateways: 2, workers: 1 });
  // Some of their polls wait at the gateway that has not their session.
  const polls = await Promise.all(Array.from({ length: 8 }, (_, number) => LineClient.open(`${system.url}/line/a/${number}`, "gone")));
  for (const poll of polls) expect(await poll.say("x")).toBe(204);
  await Promise.all(polls.map((poll) => poll.receives(2)));
  const gateways = system.live("gateway");
  for (const { child } of gateways) child.kill("SIGSTOP");
  await pause(21_000);
  for (const { child } of gateways) child.kill("SIGCONT");
  for (const poll of polls) expect(await poll.say("y")).toBe(204);
  await Promise.all(polls.map((poll) => poll.receives(3)));
  expect(polls.map(({ lines }) => lines.slice(1))).toEqual(polls.map(() => ["1 x 1", "2 y 1"]));
  for (const poll of polls) poll.abort();
});
