// What Prometheus is told, compared with what was done.

import { afterEach, expect, test } from "vitest";
import { durationBounds } from "../process/durations.ts";
import { patienceMs, stretchedMs } from "../testbed/patience.ts";
import { refusal, TestClient } from "./client.ts";
import type { Step } from "./handlers/basic/script.ts";
import { Exposition } from "./prometheus.ts";
import { type SystemOptions, TestSystem } from "./system.ts";

let system: TestSystem;
const turnTimeoutMs = stretchedMs(300);
/** Longer than other turns take, and no reason to be cut off. */
const pauseMs = Math.floor(turnTimeoutMs / 5);

afterEach(() => system.stop());

async function start(options: SystemOptions): Promise<void> {
  system = await TestSystem.start(options);
}

const gatewayMetrics = (index = 0) => Exposition.of(system.gatewayHellos[index]?.adminPort, "/metrics");
const workerMetrics = (index = 0) => Exposition.of(system.gatewayHellos[index]?.adminPort, "/metrics/workers");

/** Of the buckets of durations, in seconds as Prometheus has them. */
const boundBelow = (ms: number) => String(durationBounds.findLast((seconds) => 1_000 * seconds < ms));
const boundAbove = (ms: number) => String(durationBounds.find((seconds) => 1_000 * seconds >= ms) ?? "+Inf");

async function run(client: TestClient, ...steps: Step[]): Promise<void> {
  const before = client.received.length;
  client.send([...steps, { do: "send", data: "done" }]);
  await client.receives(before + 1);
}

test("counts connections that were closed for an error, a handler's or one of ours; not those that a handler closes", async () => {
  await start({ environment: { MESSAGE_BYTES: "1000" } });
  const [broken, large, closed] = (await Promise.all(
    ["/broken/message", "/echo", "/script/a"].map((path) => TestClient.open(`${system.url}${path}`)),
  )) as [TestClient, TestClient, TestClient];
  broken.send("");
  large.send("x".repeat(1001));
  closed.send([{ do: "close", code: 4000, reason: "enough" }]);
  expect((await Promise.all([broken, large, closed].map((client) => client.closes()))).map(({ code }) => code)).toEqual([1011, 1009, 4000]);
  const gateway = await gatewayMetrics();
  const counted = gateway.having("thinstate_connections_broken_total").map(({ labels, value }) => [labels.code, value]);
  expect(counted.sort()).toEqual([
    ["handler.thrown", 1],
    ["message.tooLarge", 1],
  ]);
});

test("counts connections, messages and bytes, upgrades, requests, and each turn by route and outcome", async () => {
  await start({ workers: 2, environment: { TURN_TIMEOUT_MS: String(turnTimeoutMs), MESSAGE_BYTES: "1000" } });
  const echoes = await Promise.all(Array.from({ length: 5 }, () => TestClient.open(`${system.url}/echo`)));
  for (const client of echoes) for (let count = 0; count < 7; count++) client.send("0123456789");
  await Promise.all(echoes.map((client) => client.receives(7)));
  const script = await TestClient.open(`${system.url}/script/a`);
  script.send([{ do: "throw", text: "no" }]);
  script.send([{ do: "pause", ms: 100 * turnTimeoutMs }]);
  await script.receives(2);
  await run(script, { do: "subscribe", topic: "t" }, { do: "publish", topic: "t", data: "p", self: true }, { do: "pause", ms: pauseMs });
  await refusal(`${system.url}/nowhere`);
  await refusal(`${system.url}/gate/refuse`);
  await refusal(`${system.url}/echo`, { headers: { origin: "https://elsewhere.example" } });
  await fetch(`${system.url.replace("ws", "http")}/gate/post`, { method: "POST", body: "b" });
  await echoes[0]?.close();
  echoes[1]?.send("x".repeat(1001));
  expect(await echoes[1]?.closes()).toMatchObject({ code: 1009 });

  const gateway = await gatewayMetrics();
  expect(gateway.sum("thinstate_connections_opened_total")).toBe(6);
  expect(gateway.sum("thinstate_connections", { route: "/echo" })).toBe(3);
  expect(gateway.sum("thinstate_connections")).toBe(4);
  expect(gateway.having("thinstate_connections_broken_total")).toMatchObject([{ labels: { code: "message.tooLarge" }, value: 1 }]);
  expect(gateway.sum("thinstate_messages_in_total")).toBe(35 + 3);
  const scriptBytes = [
    [{ do: "throw", text: "no" }],
    [{ do: "pause", ms: 100 * turnTimeoutMs }],
    [
      { do: "subscribe", topic: "t" },
      { do: "publish", topic: "t", data: "p", self: true },
      { do: "pause", ms: pauseMs },
      { do: "send", data: "done" },
    ],
  ].reduce((sum, steps) => sum + JSON.stringify(steps).length, 0);
  expect(gateway.sum("thinstate_messages_in_bytes_total")).toBe(350 + scriptBytes);
  expect(gateway.sum("thinstate_messages_out_total")).toBe(35 + 3);
  const errors = script.received.slice(0, 2).reduce((sum, { length }) => sum + length, 0);
  expect(gateway.sum("thinstate_messages_out_bytes_total")).toBe(350 + errors + "done".length);
  const outcomes = gateway.having("thinstate_upgrades_total").map(({ labels, value }) => [labels.outcome, value]);
  expect(Object.fromEntries(outcomes)).toEqual({ accepted: 6, refused: 1, "route.unknown": 1, "upgrade.origin": 1 });
  expect(gateway.having("thinstate_requests_total")).toMatchObject([{ labels: { outcome: "201" }, value: 1 }]);
  expect(gateway.sum("thinstate_publishes_total")).toBe(2);
  expect(gateway.sum("thinstate_topics")).toBe(1);

  const workers = await workerMetrics();
  const turns = (route: string, outcome: string) => workers.sum("thinstate_turns_total", { route, outcome });
  // Opens, messages and closes.
  expect(turns("/echo", "committed")).toBe(5 + 35 + 2);
  // An open, two onErrors, and the message that worked.
  expect([turns("/script/:room", "committed"), turns("/script/:room", "thrown"), turns("/script/:room", "timed_out")]).toEqual([4, 1, 1]);
  expect(workers.sum("thinstate_turn_duration_seconds_count", { route: "/script/:room" })).toBe(6);
  const below = (le: string, outcome: string) =>
    workers.sum("thinstate_turn_duration_seconds_bucket", { route: "/script/:room", outcome, le });
  const timedOut = [boundBelow(turnTimeoutMs), boundAbove(2 * turnTimeoutMs), "+Inf"].map((le) => below(le, "timed_out"));
  expect(timedOut).toEqual([0, 1, 1]);
  expect(below(boundBelow(pauseMs), "committed")).toBe(3);
  expect(workers.sum("thinstate_turn_duration_seconds_sum", { route: "/script/:room", outcome: "timed_out" })).toBeGreaterThan(
    (0.97 * turnTimeoutMs) / 1_000,
  );
  expect(workers.sum("thinstate_worker_held_connections")).toBe(4);
  expect(workers.sum("thinstate_worker_start_failures_total")).toBe(0);
});

test("tells which worker has which release, and what a hand-over, a death and a hanging worker are", async () => {
  await start({ workers: 2 });
  const clients = await Promise.all(Array.from({ length: 8 }, () => TestClient.open(`${system.url}/script/r`)));
  await Promise.all(clients.map((client) => run(client)));
  // The first of two workers whose onStart has returned gets all, and gives half of them to the second: not in the middle of the deploy.
  const spread = async () => (await gatewayMetrics()).having("thinstate_worker_connections").map(({ value }) => value);
  await expect.poll(spread, { timeout: patienceMs }).toEqual([4, 4]);
  const before = await gatewayMetrics();
  expect(before.having("thinstate_worker_info").map(({ labels }) => [labels.release, labels.state])).toEqual([
    ["1", "active"],
    ["1", "active"],
  ]);
  const handedOver = before.sum("thinstate_handovers_total");

  await system.deploy("2", { workers: 2 });
  const [kept, killed] = system.live("worker");
  if (kept === undefined || killed === undefined) throw new Error("two workers");
  const after = await gatewayMetrics();
  expect(after.having("thinstate_release_info")).toMatchObject([{ labels: { release: "2" }, value: 1 }]);
  expect(after.sum("thinstate_release_generation")).toBe(2);
  expect(after.having("thinstate_worker_info").map(({ labels }) => labels.release)).toEqual(["2", "2"]);
  expect(after.sum("thinstate_handovers_total") - handedOver).toBe(8);
  expect(after.sum("thinstate_handover_pause_seconds_count") - handedOver).toBe(8);
  expect(after.sum("thinstate_handovers_pending")).toBe(0);
  expect(after.sum("thinstate_redelivered_total")).toBe(0);

  // Half of the connections wait within a turn of the one that dies.
  for (const client of clients)
    client.send([{ do: "send", data: "begun" }, { do: "flush" }, { do: "pause", ms: 200 }, { do: "send", data: "done" }]);
  await Promise.all(clients.map((client) => client.receives(2)));
  await killed.end("SIGKILL");
  await Promise.all(clients.map((client) => client.receives(3)));
  expect((await gatewayMetrics()).sum("thinstate_redelivered_total")).toBe(4);

  kept.child.kill("SIGSTOP");
  const up = (await workerMetrics()).having("thinstate_worker_up");
  kept.child.kill("SIGCONT");
  expect(up).toMatchObject([{ labels: { release: "2" }, value: 0 }]);
  expect((await workerMetrics()).having("thinstate_worker_up")).toMatchObject([{ value: 1 }]);
});

test("tells what is parked, and what became of NATS", async () => {
  await start({ workers: 1 });
  const client = await TestClient.open(`${system.url}/echo`);
  client.send("before");
  await client.receives(1);
  await Promise.all(system.live("worker").map((worker) => worker.end()));
  await system.until(() => system.gatewayHellos[0]?.serving === false, "the gateway knows");
  client.send("12345");
  client.send("678");
  const upgrade = new TestClient(`${system.url}/echo`);
  await system.until(() => system.gatewayHellos[0]?.parked === 3, "all wait");
  const parked = await gatewayMetrics();
  expect(parked.sum("thinstate_serving")).toBe(0);
  expect(parked.sum("thinstate_parked_messages")).toBe(2);
  expect(parked.sum("thinstate_parked_bytes")).toBe(8 + 2 * 512);
  expect(parked.sum("thinstate_parked_upgrades")).toBe(1);
  expect(parked.sum("thinstate_parked_limit_bytes")).toBe(268_435_456);
  expect(parked.sum("thinstate_nats_connected")).toBe(1);

  system.nats.process.kill("SIGKILL");
  await system.nats.stop();
  await expect.poll(async () => (await gatewayMetrics()).sum("thinstate_nats_connected")).toBe(0);
  await system.restartNats();
  await expect.poll(async () => (await gatewayMetrics()).sum("thinstate_nats_reconnects_total")).toBe(1);
  upgrade.breakOff();
  client.breakOff();
});

test("workers are told of by every gateway alike, and each process of itself: nothing counts twice where one gateway is asked for the workers", async () => {
  await start({ workers: 2, gateways: 2 });
  const clients: TestClient[] = [];
  // The kernel chooses a gateway for each.
  while (system.gatewayHellos.some(({ connections }) => connections === 0)) {
    clients.push(await TestClient.open(`${system.url}/echo`));
    const count = clients.length;
    await system.until(() => system.gatewayHellos.reduce((sum, { connections }) => sum + connections, 0) === count, "it is told of");
  }
  for (const client of clients) client.send("hello");
  await Promise.all(clients.map((client) => client.receives(1)));
  const [first, second] = await Promise.all([gatewayMetrics(0), gatewayMetrics(1)]);
  expect(first.sum("thinstate_messages_in_total") + second.sum("thinstate_messages_in_total")).toBe(clients.length);
  const [one, other] = await Promise.all([workerMetrics(0), workerMetrics(1)]);
  const turns = one.having("thinstate_turns_total");
  expect(one.sum("thinstate_turns_total")).toBe(2 * clients.length);
  expect(other.having("thinstate_turns_total")).toEqual(turns);
  const ids = system.workerHellos.map(({ id }) => id).sort();
  for (const { labels } of turns) expect(ids).toContain(labels.worker);
  for (const process of ["gateway", "worker"] as const) {
    const metrics = process === "gateway" ? first : one;
    const resident = metrics.having("thinstate_memory_bytes", { process, kind: "resident" });
    expect(resident).toHaveLength(process === "gateway" ? 1 : 2);
    for (const { value } of resident) expect(value).toBeGreaterThan(20e6);
    expect(metrics.sum("thinstate_event_loop_lag_seconds_count", { process })).toBeGreaterThan(0);
    expect(metrics.sum("thinstate_event_loop_busy_seconds_total", { process })).toBeGreaterThan(0);
  }
  for (const client of clients) client.breakOff();
});
