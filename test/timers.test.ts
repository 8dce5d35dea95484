// Timers on a running system: workers are replaced and killed between the moment a timer is set and its turn.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { until } from "./installation.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

async function clients(count: number): Promise<TestClient[]> {
  return Promise.all(Array.from({ length: count }, () => TestClient.open(`${system.url}/clock`)));
}

async function ask(all: readonly TestClient[], wish: object): Promise<void> {
  const before = all.map(({ received }) => received.length);
  for (const client of all) client.send(wish);
  await Promise.all(all.map((client, index) => client.receives((before[index] ?? 0) + 1)));
}

async function timersDue(): Promise<number> {
  const exposition = await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics");
  return exposition.sum("thinstate_timers_due_total");
}

function dueOf(client: TestClient): string[] {
  return client.values.flatMap((value) => (value as { due?: string }).due ?? []);
}

test("each comes due once, though its worker is replaced, and later killed, before; one that was cleared never does", async () => {
  system = await TestSystem.start({ workers: 2 });
  const all = await clients(20);
  await ask(all, { set: "early", ms: 1 });
  await Promise.all(all.map((client) => client.receives(2)));
  await ask(all, { set: "gone", ms: 1_000 });
  await ask(all, { set: "a", ms: 1_000 });
  await ask(all, { clear: "gone" });
  await system.deploy("2", { workers: 1 });
  await ask(all, { set: "b", ms: 500 });
  for (const worker of system.live("worker")) await worker.end("SIGKILL");
  // They come due while there is nobody to run them.
  await until("all to come due", async () => ((await timersDue()) >= 60 ? true : undefined));
  system.startWorker("2");
  await Promise.all(all.map((client) => client.until(() => dueOf(client).length >= 3, "all have come due")));
  await ask(all, { set: "last", ms: 1 });
  await Promise.all(all.map((client) => client.until(() => dueOf(client).includes("last"), "the last one has come due")));
  for (const client of all) expect(dueOf(client).toSorted()).toEqual(["a", "b", "early", "last"]);
  await Promise.all(all.map((client) => client.close()));
});

test("a turn whose worker dies runs again; a ticker misses no tick and has none twice, through deploys and kills", async () => {
  system = await TestSystem.start({ workers: 2 });
  system.keepWorkers();
  const all = await clients(10);
  const [first] = all;
  await ask(all, { set: "tick", ms: 1 });
  const ticks = async (more: number) => {
    const until = (first?.received.length ?? 0) + more;
    await first?.receives(until);
  };
  await ticks(10);
  await system.deploy("2", { workers: 2 });
  await ticks(10);
  await system.live("worker")[0]?.end("SIGKILL");
  await ticks(10);
  first?.send({ set: "die", ms: 1 });
  await first?.until(() => dueOf(first).includes("die"), "it has run again");
  await system.deploy("3", { workers: 2 });
  await ticks(10);
  await ask(all, { clear: "tick" });
  for (const client of all) {
    const told = client.values.flatMap((value) => (value as { tick?: number }).tick ?? []);
    expect(told).toEqual(told.map((_, index) => index + 1));
  }
  expect(first?.values).toContainEqual({ due: "die", redelivered: true });
  await Promise.all(all.map((client) => client.close()));
});
