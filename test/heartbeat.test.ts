// Heartbeats on a running system: they go on while workers are replaced, killed, or not there at all.

import { afterEach, expect, test } from "vitest";
import { stretchedMs } from "../testbed/patience.ts";
import { TestClient } from "./client.ts";
import { until } from "./installation.ts";
import { LineClient } from "./line-client.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

/** Of a client: heartbeats that it got. */
function beats({ received }: TestClient): number {
  return received.filter((frame) => frame === "2").length;
}

/** One that answers each heartbeat. */
async function lively(path: string): Promise<TestClient> {
  const client = await TestClient.open(`${system.url}${path}`);
  client.socket.on("message", (data: Buffer) => {
    if (data.toString() === "2") client.send("3");
  });
  return client;
}

function more(client: TestClient, count: number): Promise<void> {
  const until = beats(client) + count;
  return client.until(() => beats(client) >= until, `${count} more heartbeats`);
}

test("through a deploy, a kill -9 and without any worker, who answers stays, and who does not is closed with its code", async () => {
  system = await TestSystem.start({ workers: 1 });
  // Longer than any pause of a busy machine: who answers is not to be closed for it.
  const client = await lively("/heartbeat?every=100&within=600000");
  await more(client, 2);
  await system.deploy("2", { workers: 1 });
  await more(client, 2);
  const silent = await TestClient.open(`${system.url}/heartbeat?every=1000&within=1000`);
  // What it has opened is set before the worker dies.
  silent.send("3x");
  await silent.until(() => silent.received.includes(JSON.stringify({ release: "2", heard: "3x" })), "it is a message, too");
  for (const worker of system.live("worker")) await worker.end("SIGKILL");
  await more(client, 3);
  expect(await silent.closes()).toEqual({ code: 4000, reason: "ping timeout" });
  expect(beats(silent)).toBeGreaterThan(0);
  client.send("parked");
  await more(client, 2);
  system.startWorker("2");
  await client.until(() => client.received.includes(JSON.stringify({ release: "2", heard: "parked" })), "what was parked is answered");
  await more(client, 2);
  // No answer had a turn.
  expect(client.received.filter((frame) => frame !== "2")).toEqual([JSON.stringify({ release: "2", heard: "parked" })]);
  const counted = async () => (await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics")).sum("thinstate_heartbeats");
  expect(await counted()).toBe(1);
  await client.close();
  await until("none is left", async () => ((await counted()) === 0 ? true : undefined));
});

test("a client that speaks HTTP, and whose answer waits for a worker for longer than it may take, stays", async () => {
  // Longer than any pause of a busy machine: who can answer does.
  const withinMs = stretchedMs(1_000);
  system = await TestSystem.start({ handlers: "sessions", workers: 1, environment: { PARK_MS: "600000" } });
  const path = `${system.url}/line/a`;
  const poll = await LineClient.open(`${path}/poll`, `within=${withinMs}`);
  const got = () => poll.lines.filter((line) => line === "2").length;
  poll.answersHeartbeats();
  await poll.until(() => got() > 2, "heartbeats flow");
  // It never answers: its end says that the time is up.
  const silent = await TestClient.open(`${path}/silent?within=${withinMs}`);
  await silent.receives(2);
  for (const worker of system.live("worker")) await worker.end("SIGKILL");
  expect(await silent.closes()).toEqual({ code: 4000, reason: "ping timeout" });
  const before = got();
  system.startWorker("1");
  await poll.until(() => got() > before + 2, "heartbeats go on");
  expect(poll.last).toBeUndefined();
  const last = await LineClient.open(`${path}/last`, `within=${withinMs}`);
  await last.until(() => last.last !== undefined, "who does not answer is closed");
  poll.abort();
});
