// SIGTERM during anything ends in bounded time; a second one ends at once.

import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { stretchedMs } from "../testbed/patience.ts";
import { TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

/** @returns how long it took to end, and how. */
async function terminated(process: TestSystem["processes"][number], signals = 1): Promise<{ ms: number; code: number | null }> {
  const exit = new Promise<void>((resolve) => process.child.once("exit", () => resolve()));
  const startedAt = performance.now();
  for (let count = 0; count < signals; count++) {
    process.child.kill("SIGTERM");
    // Two signals that are sent together may arrive as one.
    if (count + 1 < signals) await logged(process, "ends", "drains");
  }
  await exit;
  return { ms: performance.now() - startedAt, code: process.child.exitCode };
}

/** Resolves when its log has one of these words. */
function logged(process: TestSystem["processes"][number], ...words: string[]): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!words.some((word) => process.output.includes(word))) return;
      process.child.stdout?.off("data", look);
      resolve();
    };
    process.child.stdout?.on("data", look);
    look();
  });
}

test.each(["gateway", "worker"] as const)("a %s that is starting, and waits for a NATS that is not there, ends at once", async (name) => {
  system = await TestSystem.start({ gateways: 0, workers: 0 });
  // Whoever knocks here handles signals already: before, the signal's own action would end it.
  const door = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(door, "listening");
  const environment = { NATS_URL: `nats://127.0.0.1:${(door.address() as AddressInfo).port}` };
  const started = name === "gateway" ? system.startGateway(environment) : system.startWorker("1", "basic", environment);
  await once(door, "connection");
  const { ms, code } = await terminated(started);
  door.close();
  expect(ms).toBeLessThan(stretchedMs(1_000));
  expect(code).toBe(0);
});

const bounds = { DRAIN_MS: "1500" };

test("a worker whose turn goes on ends after DRAIN_MS, and the turn is redelivered; a second signal ends it at once", async () => {
  system = await TestSystem.start({ workers: 2, environment: bounds });
  const client = await TestClient.open(`${system.url}/script/long`);
  client.send([{ do: "tell" }, { do: "flush" }, { do: "pause", ms: 60_000 }]);
  await client.receives(1);
  const holder = () => Object.entries(system.gatewayHellos[0]?.pins ?? {}).find(([, count]) => count > 0)?.[0];
  await system.until(() => holder() !== undefined, "a worker has it");
  const first = system.processes.find(({ pid }) => pid === system.workerHellos.find(({ id }) => id === holder())?.pid);
  if (first === undefined) throw new Error("no worker has it");
  const slow = await terminated(first);
  expect(slow).toMatchObject({ code: 0 });
  expect(slow.ms).toBeGreaterThan(1_400);
  expect(slow.ms).toBeLessThan(stretchedMs(4_000));
  await client.receives(2);
  expect(client.values).toMatchObject([{ redelivered: false }, { redelivered: true }]);
  const [second] = system.live("worker");
  if (second === undefined) throw new Error("no other worker");
  const quick = await terminated(second, 2);
  expect(quick).toMatchObject({ code: 1 });
  expect(quick.ms).toBeLessThan(stretchedMs(1_000));
  client.breakOff();
});

test("a gateway with connections and a worker, while NATS is away: both end within their bounds", async () => {
  system = await TestSystem.start({ environment: bounds });
  const client = await TestClient.open(`${system.url}/echo`);
  client.send("hello");
  await client.receives(1);
  system.nats.process.kill("SIGKILL");
  await system.nats.stop();
  client.send("nobody hears this");
  const [gateway] = system.live("gateway");
  const [worker] = system.live("worker");
  if (gateway === undefined || worker === undefined) throw new Error("one of each");
  const [one, other] = await Promise.all([terminated(gateway), terminated(worker)]);
  expect(await client.closes()).toMatchObject({ code: 1001 });
  for (const { ms, code } of [one, other]) {
    expect(ms).toBeLessThan(stretchedMs(4_000));
    expect(code).toBe(0);
  }
});

test("a gateway whose connections nobody closes ends at once with the second signal", async () => {
  system = await TestSystem.start({ environment: { DRAIN_MS: "60000" } });
  const client = await TestClient.open(`${system.url}/echo`);
  await Promise.all(system.live("worker").map((worker) => worker.end("SIGKILL")));
  const [gateway] = system.live("gateway");
  if (gateway === undefined) throw new Error("no gateway");
  const { ms, code } = await terminated(gateway, 2);
  expect(ms).toBeLessThan(stretchedMs(1_000));
  expect(code).toBe(1);
  client.breakOff();
});
