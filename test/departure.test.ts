// A gateway ends while another one serves, and two end together.

import { afterEach, expect, test, vi } from "vitest";
import { freePort } from "../supervisor/port.ts";
import { patienceMs, stretchedMs } from "../testbed/patience.ts";
import { refusal, TestClient } from "./client.ts";
import { type TestProcess, TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

/** Sends one message after the other, and reconnects when it is closed. */
class Visitor {
  readonly name: string;
  /** Those that were answered, on any connection. */
  readonly answered: string[] = [];
  readonly closes: Array<{ readonly code: number; readonly reason: string }> = [];
  client: TestClient;
  private sent = 0;
  private isVisiting = true;

  constructor(name: string) {
    this.name = name;
    this.client = this.connect();
  }

  come(): Promise<void> {
    if (this.client.closed !== undefined) this.client = this.connect();
    return this.client.opened();
  }

  private connect(): TestClient {
    const client = new TestClient(`${system.url}/script/${this.name}`);
    client.socket.on("close", (code, reason) => this.closes.push({ code, reason: reason.toString() }));
    return client;
  }

  async visit(): Promise<void> {
    while (this.isVisiting) {
      const label = `${this.name}:${++this.sent}`;
      const before = this.client.received.length;
      this.client.send([
        { do: "publish", topic: "journal:all", data: label },
        { do: "pause", ms: 2 },
        { do: "send", data: label },
      ]);
      await this.client.until(() => this.client.received.length > before || this.client.closed !== undefined, "an answer, or the end");
      this.answered.push(...this.client.received.slice(before).map(String));
      if (this.client.closed === undefined) continue;
      await this.come();
    }
  }

  leave(): void {
    this.isVisiting = false;
  }
}

const processOf = (index: number): TestProcess => {
  const pid = system.gatewayHellos[index]?.pid;
  const found = system.processes.find((process) => process.pid === pid);
  if (found === undefined) throw new Error("no such gateway");
  return found;
};

const connectionsOf = (index: number) => system.gatewayHellos[index]?.connections ?? 0;

/** Another gateway of the installation, on a port of its own: what is heard there does not end with those under test. */
async function listenElsewhere(room: string): Promise<TestClient> {
  const gateways = system.gatewayHellos.length;
  const port = await freePort("127.0.0.1");
  system.startGateway({ PORT: String(port) });
  await system.until(() => system.gatewayHellos.filter(({ serving }) => serving).length > gateways, "it serves");
  const listener = await TestClient.open(`ws://127.0.0.1:${port}/journal/${room}`);
  await listener.receives(1);
  return listener;
}

test("every client of a gateway that ends is closed once, in batches, when its turns are done, and comes to the other one", async () => {
  const limits = { CLOSE_BATCH: "30", CLOSE_PAUSE_MS: "1500", DRAIN_MS: "60000" };
  system = await TestSystem.start({ gateways: 2, workers: 2, environment: limits });
  const visitors = Array.from({ length: 200 }, (_, index) => new Visitor(`v${index}`));
  await Promise.all(visitors.map((visitor) => visitor.come()));
  await system.until(() => connectionsOf(0) + connectionsOf(1) === 200, "both tell of all");
  const ending = processOf(0);
  const its = connectionsOf(0);
  expect(its).toBeGreaterThan(30);
  const listener = await listenElsewhere("all");

  const visits = visitors.map((visitor) => visitor.visit());
  await Promise.all(visitors.map((visitor) => visitor.client.receives(3)));
  const stays = system.gatewayHellos[1]?.id;
  expect(await ending.end()).toBe(0);
  await system.until(() => system.gatewayHellos.find(({ id }) => id === stays)?.connections === 200, "all are with the other one");
  for (const visitor of visitors) visitor.leave();
  await Promise.all(visits);

  const closed = visitors.filter(({ closes }) => closes.length > 0);
  expect(closed).toHaveLength(its);
  for (const { closes } of closed) expect(closes).toMatchObject([{ code: 1012, reason: "gateway.restarts" }]);
  // A turn that was begun had its answer: what was handled and what was answered are the same.
  const answered = visitors.flatMap((visitor) => visitor.answered).sort();
  await listener.until(() => listener.received.length - 1 >= answered.length, "everything that was handled is told of");
  expect(listener.received.slice(1).map(String).sort()).toEqual(answered);
  // In batches.
  const told = ending.logged("connections are told to leave").map(({ connections }) => Number(connections));
  expect(told.reduce((sum, count) => sum + count)).toBe(its);
  expect(told.slice(0, -1)).toEqual(told.slice(0, -1).map(() => 30));
  // By the gateway's own clock, since a client may hear of it late. It writes a line late, too, where the machine is busy, and the next in time.
  const times = ending.logged("connections are told to leave").map(({ time }) => Number(time));
  for (let index = 1; index < times.length; index++) expect((times[index] ?? 0) - (times[index - 1] ?? 0)).toBeGreaterThan(500);
});

test("onClose runs once for each connection of a gateway that ends", async () => {
  system = await TestSystem.start({ environment: { CLOSE_BATCH: "3", CLOSE_PAUSE_MS: "50" } });
  const clients = await Promise.all(Array.from({ length: 10 }, () => TestClient.open(`${system.url}/script/r`)));
  const [ending] = system.live("gateway");
  const listener = await listenElsewhere("r");
  for (const client of clients) client.send([{ do: "count" }, { do: "pause", ms: 100 }, { do: "send", data: "done" }]);
  expect(await ending?.end()).toBe(0);
  const closed = await Promise.all(clients.map((client) => client.closes()));
  expect(closed).toEqual(clients.map(() => ({ code: 1012, reason: "gateway.restarts" })));
  expect(clients.map(({ received }) => received)).toEqual(clients.map(() => ["done"]));
  await listener.receives(11);
  const told = listener.received.slice(1).map((text) => JSON.parse(String(text))) as Array<{
    close: string;
    code: number;
    reason: string;
    count: number;
  }>;
  expect(new Set(told.map(({ close }) => close)).size).toBe(10);
  for (const each of told) expect(each).toMatchObject({ code: 1012, reason: "gateway.restarts", count: 1 });
});

test("two gateways that end together do not wait for each other's clients", async () => {
  system = await TestSystem.start({ gateways: 2, workers: 1, environment: { CLOSE_BATCH: "1", CLOSE_PAUSE_MS: "1000" } });
  // The kernel chooses a gateway for each.
  const clients = await Promise.all(Array.from({ length: 40 }, () => TestClient.open(`${system.url}/echo`)));
  await system.until(() => connectionsOf(0) + connectionsOf(1) === 40, "both tell of all");
  expect(Math.min(connectionsOf(0), connectionsOf(1))).toBeGreaterThan(2);
  const startedAt = performance.now();
  const gateways = system.live("gateway");
  expect(await Promise.all(gateways.map((gateway) => gateway.end()))).toEqual([0, 0]);
  expect(performance.now() - startedAt).toBeLessThan(stretchedMs(3_000));
  const closed = await Promise.all(clients.map((client) => client.closes()));
  const restarts = closed.filter(({ code, reason }) => code === 1012 && reason === "gateway.restarts");
  const ends = closed.filter(({ code, reason }) => code === 1001 && reason === "gateway.ends");
  expect(restarts.length + ends.length).toBe(clients.length);
  // Until the one has heard that the other ends too, it counts on it: that is a first batch each at most.
  const firstBatches = gateways.map((gateway) => Number(gateway.logged("connections are told to leave")[0]?.connections));
  expect(restarts.length).toBeLessThanOrEqual(firstBatches.reduce((sum, count) => sum + count));
  expect(ends.length).toBeGreaterThan(0);
});

test("alone, a gateway lets its turns end, too; and says meanwhile that it is not ready", async () => {
  system = await TestSystem.start({ environment: { TURN_TIMEOUT_MS: "600000", DRAIN_MS: "600000" } });
  const client = await TestClient.open(`${system.url}/script/r`);
  client.send([{ do: "send", data: "begun" }, { do: "flush" }, { do: "pause", ms: stretchedMs(500) }, { do: "send", data: "done" }]);
  await client.receives(1);
  const adminPort = system.gatewayHellos[0]?.adminPort;
  const [gateway] = system.live("gateway");
  const ended = gateway?.end();
  await vi.waitFor(async () => {
    const ready = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
    expect({ status: ready.status, text: await ready.text() }).toEqual({ status: 503, text: "it ends: no new connections\n" });
  }, patienceMs);
  expect(await client.closes()).toEqual({ code: 1001, reason: "gateway.ends" });
  expect(client.received).toEqual(["begun", "done"]);
  expect(await ended).toBe(0);
});

test("an upgrade that waits for a worker is sent to another gateway", async () => {
  system = await TestSystem.start({ workers: 0 });
  const waiting = refusal(`${system.url}/echo`);
  await system.until(() => system.gatewayHellos[0]?.parked === 1, "it waits for a worker");
  const [gateway] = system.live("gateway");
  const ended = gateway?.end();
  const { status, body, headers } = await waiting;
  expect({ status, after: headers["retry-after"] }).toEqual({ status: 503, after: "5" });
  expect(body).toContain("gateway.restarts");
  expect(await ended).toBe(0);
});
