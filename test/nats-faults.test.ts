// The promise when NATS fails in part: a node of a cluster, one process' connection, a consumer that is too slow.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { stretchedMs } from "../testbed/patience.ts";
import { TestClient } from "./client.ts";
import type { Step } from "./handlers/basic/script.ts";
import { expectWhole, load, type Told } from "./load.ts";
import { startNats, TestCluster } from "./nats.ts";
import { TestSystem } from "./system.ts";
import { TcpProxy } from "./tcp-proxy.ts";

let system: TestSystem;
const cleanUps: Array<() => unknown> = [];

afterEach(async () => {
  await system?.stop();
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function proxy(): Promise<TcpProxy> {
  const made = await TcpProxy.start(system.nats.url);
  cleanUps.push(() => made.stop());
  return made;
}

/** Gateways and workers, each with a wire of its own to the one nats-server. */
async function wire(gateways: number, workers: number, environment: Record<string, string> = {}, conf?: string) {
  const nats = await startNats(0, conf === undefined ? [] : ["-c", configuration(conf)]);
  system = await TestSystem.start({ gateways: 0, workers: 0, nats, environment });
  const wires = await Promise.all(Array.from({ length: gateways + workers }, proxy));
  for (const [index, { url }] of wires.entries()) {
    if (index < gateways) system.startGateway({ NATS_URL: url });
    else system.startWorker("1", "basic", { NATS_URL: url });
  }
  const isThere = () => system.gatewayHellos.length === gateways && system.workerHellos.length === workers;
  await system.until(isThere, "every process says hello");
  await system.activate("1");
  const wireOf = (pid: number) => wires[system.processes.findIndex((process) => process.pid === pid)] as TcpProxy;
  return { gateways: wires.slice(0, gateways), workers: wires.slice(gateways), wireOf };
}

/** A config file of nats-server. */
function configuration(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "thinstate-nats-conf-"));
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "nats.conf");
  writeFileSync(file, text);
  return file;
}

function openMany(path: string, count: number): Promise<TestClient[]> {
  return Promise.all(Array.from({ length: count }, () => TestClient.open(`${system.url}${path}`)));
}

/** Steps of a /script client, until they are answered. */
async function run(client: TestClient, steps: readonly Step[]): Promise<void> {
  const before = client.received.length;
  client.send([...steps, { do: "send", data: "done" }]);
  await client.receives(before + 1);
}

/** Clients by the gateway that has them: at least so many of each. */
async function openByGateway(path: string, least: number): Promise<Map<string, TestClient[]>> {
  const byGateway = new Map<string, TestClient[]>(system.gatewayHellos.map(({ id }) => [id, []]));
  while ([...byGateway.values()].some((clients) => clients.length < least)) {
    const client = await TestClient.open(`${system.url}${path}`);
    client.send([{ do: "tell" }]);
    await client.receives(1);
    const { id } = client.values[0] as Told;
    client.received.length = 0;
    byGateway.get(id.split("-")[0] ?? "")?.push(client);
  }
  return byGateway;
}

const subscribe: readonly Step[] = [{ do: "subscribe", topic: "news" }];

function closeAll(clients: readonly TestClient[]): Promise<unknown> {
  return Promise.all(clients.map((client) => client.close()));
}

test("a three-node cluster loses one node after the other, whoever is connected to it: nothing is lost, doubled or closed", async () => {
  const cluster = await TestCluster.start();
  cleanUps.push(() => cluster.stop());
  const nats = { url: cluster.url, process: cluster.nodes[0]?.process as never, more: [], stop: () => cluster.stop() };
  system = await TestSystem.start({ workers: 2, nats });
  const clients = await openMany("/script/cluster", 10);
  const running = load(clients);
  for (const node of [0, 1, 2]) {
    await running.progress(10);
    await cluster.kill(node);
    await running.progress(10);
    await cluster.restore(node);
  }
  await running.progress(10);
  expectWhole(clients, await running.stop());
  await closeAll(clients);
});

test("NATS comes back and refuses everybody for a while: all keep asking, and nothing is lost", async () => {
  const nats = await startNats();
  cleanUps.push(() => nats.stop());
  system = await TestSystem.start({ workers: 1, nats });
  const clients = await openMany("/script/refused", 10);
  const running = load(clients);
  await running.progress(10);
  const port = Number(new URL(nats.url).port);
  nats.process.kill("SIGKILL");
  await nats.stop();
  const stranger = await startNats(port, ["--auth", "of somebody else"]);
  let log = "";
  // Every process is refused several times: after the second, a client may give up for good.
  await new Promise<void>((resolve) => {
    stranger.process.stderr?.on("data", (chunk: Buffer) => {
      log += chunk.toString();
      if (log.split("authentication error").length > 15) resolve();
    });
  });
  await stranger.stop();
  const back = await startNats(port);
  cleanUps.push(() => back.stop());
  await running.progress(10);
  expectWhole(clients, await running.stop());
  await closeAll(clients);
});

test("one worker is cut off from NATS, the gateway is not: the other one takes over, and it comes back clean", async () => {
  const { workers } = await wire(1, 2);
  const clients = await openMany("/script/cut", 10);
  const running = load(clients);
  for (const cut of [...workers, ...workers]) {
    await running.progress(10);
    cut.cut();
    await running.progress(20);
    cut.mend();
    const isBack = () => Object.values(system.gatewayHellos[0]?.pins ?? {}).filter((pins) => pins > 0).length === 2;
    await system.until(isBack, "both have connections again");
  }
  await running.progress(10);
  const told = await running.stop();
  expectWhole(clients, told);
  expect(told.flat().some(({ redelivered }) => redelivered)).toBe(true);
  await closeAll(clients);
});

test("a message whose workers are cut off from NATS again and again has killed none of them: it is no poison", async () => {
  const { wireOf } = await wire(1, 2, { TURN_TIMEOUT_MS: "600000" });
  const client = await TestClient.open(`${system.url}/script/innocent`);
  client.send([{ do: "tell" }, { do: "flush" }, { do: "pause", ms: stretchedMs(4_000) }, { do: "tell" }]);
  let holder: string | undefined;
  for (let cuts = 1; cuts <= 4; cuts++) {
    await client.receives(cuts);
    const pins = () => Object.entries(system.gatewayHellos[0]?.pins ?? {});
    const next = () => pins().find(([id, count]) => count === 1 && id !== holder)?.[0];
    await system.until(() => pins().length === 2 && next() !== undefined, "one of two workers has it, and the other is back");
    holder = next();
    const cut = wireOf(system.workerHellos.find(({ id }) => id === holder)?.pid ?? 0);
    cut.cut();
    await client.receives(cuts + 1);
    cut.mend();
  }
  await client.receives(6);
  expect(client.values).toMatchObject([false, true, true, true, true, true].map((redelivered) => ({ redelivered })));
  expect((await system.status()).counters.poison).toBe(0);
  expect(client.isOpen).toBe(true);
  await client.close();
});

test("the gateway is cut off from NATS, the workers are not: sockets stay, messages park, nobody is taken for dead", async () => {
  const { gateways } = await wire(1, 2);
  const clients = await openMany("/script/apart", 10);
  const running = load(clients);
  for (let cuts = 0; cuts < 3; cuts++) {
    await running.progress(10);
    gateways[0]?.cut();
    const sent = clients[0]?.received.length ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(clients[0]?.received.length).toBeLessThanOrEqual(sent + 8);
    gateways[0]?.mend();
    await running.progress(20);
  }
  expectWhole(clients, await running.stop());
  expect((await system.status()).counters).toMatchObject({ redelivered: 0, poison: 0 });
  await closeAll(clients);
});

test("a connection to NATS that is dead, though nobody has ended it, is given up in time for everything that waits", async () => {
  const { gateways, workers } = await wire(1, 1, { PARK_MS: String(stretchedMs(8_000)) });
  const clients = await openMany("/script/dead", 5);
  const running = load(clients);
  for (const dead of [gateways[0], workers[0]]) {
    await running.progress(5);
    dead?.mute();
    await running.progress(20);
  }
  expectWhole(clients, await running.stop());
  await Promise.all(clients.map((client) => client.close()));
});

test("NATS has stood still, and a worker that has given it up comes back a moment later: it is not taken for dead", async () => {
  const { workers } = await wire(1, 1, { WORKER_TIMEOUT_MS: String(stretchedMs(5_000)) });
  const [client] = await openMany("/script/still", 1);
  const running = load([client as TestClient]);
  await running.progress(5);
  system.nats.process.kill("SIGSTOP");
  workers[0]?.cut();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  system.nats.process.kill("SIGCONT");
  // Meanwhile NATS says that nobody hears what the worker is sent.
  await new Promise((resolve) => setTimeout(resolve, 500));
  workers[0]?.mend();
  await running.progress(20);
  expectWhole([client as TestClient], await running.stop());
  expect(system.live("gateway")[0]?.logged("worker left")).toEqual([]);
  await client?.close();
});

test("publishes while nats-server restarts reach each subscriber on two gateways once, each publisher's in order", async () => {
  system = await TestSystem.start({ gateways: 2, workers: 2 });
  const subscribers = [...(await openByGateway("/script/sub", 3)).values()].flat();
  await Promise.all(subscribers.map((client) => run(client, subscribe)));
  const publishers = [...(await openByGateway("/script/pub", 1)).values()].map(([client]) => client as TestClient);
  let isPublishing = true;
  const publishing = publishers.map(async (client, who) => {
    let count = 0;
    for (; isPublishing; count++) await run(client, [{ do: "publish", topic: "news", data: `${who} ${count}` }]);
    return count;
  });
  const told = () => Math.min(...subscribers.map(({ received }) => received.length));
  for (let restarts = 0; restarts < 4; restarts++) {
    const before = told();
    await Promise.all(subscribers.map((client) => client.receives(before + 30)));
    await system.restartNats(restarts * 150);
  }
  isPublishing = false;
  const counts = await Promise.all(publishing);
  const all = counts.reduce((sum, count) => sum + count, 0);
  await Promise.all(subscribers.map((client) => client.receives(1 + all)));
  for (const { received } of subscribers) {
    for (const [who, count] of counts.entries()) {
      const its = received.filter((frame) => String(frame).startsWith(`${who} `));
      expect(its).toEqual(Array.from({ length: count }, (_, number) => `${who} ${number}`));
    }
  }
  for (const index of [0, 1]) expect((await system.status(index)).counters.topics).toMatchObject({ missed: 0 });
  await closeAll([...subscribers, ...publishers]);
});

// What waits for one client is bounded so tightly that a short pause is enough; it is the server that gives up.
const impatient = "write_deadline: 200ms\nmax_pending: 4MB\n";
const patient = { NATS_TIMEOUT_MS: "590000", GATEWAY_TIMEOUT_MS: "3600000" };

test("nats-server throws a gateway out as a slow consumer: the gap on its links is found and repaired", async () => {
  const { gateways } = await wire(1, 1, patient, impatient);
  const [held] = gateways as [TcpProxy];
  const clients = await openMany("/echo", 30);
  const count = 40;
  const message = (who: number, number: number) => `${who} ${number} `.padEnd(20_000, "x");
  held.hold();
  for (let number = 0; number < count; number++) {
    for (const [who, client] of clients.entries()) client.send(message(who, number));
    // It goes on once the server has given it up.
    if (number === count / 2) {
      await held.cutByServer();
      held.release();
    }
  }
  await Promise.all(clients.map((client) => client.receives(count)));
  for (const [who, { received, closed }] of clients.entries()) {
    expect(received).toEqual(Array.from({ length: count }, (_, number) => message(who, number)));
    expect(closed).toBeUndefined();
  }
  expect(held.cutsByServer).toBeGreaterThan(0);
  await closeAll(clients);
});

test("nats-server throws a subscribing gateway out as a slow consumer: what its topics lack is repaired from the ring", async () => {
  const { gateways, wireOf } = await wire(2, 1, patient, impatient);
  const byGateway = [...(await openByGateway("/script/ring", 2))];
  const [[slowId = "", slow = []] = [], [, fast = []] = []] = byGateway;
  const held = wireOf(system.gatewayHellos.find(({ id }) => id === slowId)?.pid ?? 0);
  expect(gateways).toContain(held);
  const subscribers = [slow[0], fast[0]] as TestClient[];
  await Promise.all(subscribers.map((client) => run(client, subscribe)));
  const publisher = fast[1] as TestClient;
  const message = (number: number) => `${number} `.padEnd(50_000, "x");
  held.hold();
  let number = 0;
  // The kernel's buffers first, then the server's.
  for (; held.cutsByServer === 0 && number < 280; number++) await run(publisher, [{ do: "publish", topic: "news", data: message(number) }]);
  await held.cutByServer();
  held.release();
  for (let more = 0; more < 5; more++, number++) await run(publisher, [{ do: "publish", topic: "news", data: message(number) }]);
  await Promise.all(subscribers.map((client) => client.receives(1 + number)));
  for (const { received } of subscribers) {
    expect(received.slice(1).map((frame) => String(frame).trimEnd().split(" ")[0])).toEqual(
      Array.from({ length: number }, (_, at) => `${at}`),
    );
  }
  for (const index of [0, 1]) expect((await system.status(index)).counters.topics).toMatchObject({ missed: 0 });
  await closeAll([...slow, ...fast]);
});

test("a MESSAGE_BYTES that does not fit nats-server's max_payload is refused at the start, with what would fit", async () => {
  const nats = await startNats(0, ["-c", configuration("max_payload: 200KB\n")]);
  system = await TestSystem.start({ gateways: 0, workers: 0, nats, environment: { MESSAGE_BYTES: "139264" } });
  const tooLarge = system.startGateway({ MESSAGE_BYTES: "150000" });
  await new Promise((resolve) => tooLarge.child.once("close", resolve));
  expect(tooLarge.child.exitCode).toBe(78);
  expect(tooLarge.output).toContain("MESSAGE_BYTES=150000 does not fit NATS' max_payload of 204800: at most 139264");
  system.startGateway();
  await system.until(() => system.gatewayHellos.length === 1, "what fits is taken");
  // And the largest message that is allowed travels both ways.
  await system.standBy("1");
  await system.activate("1");
  const client = await TestClient.open(`${system.url}/echo`);
  const largest = Buffer.alloc(139_264, 7);
  client.send(largest);
  await client.receives(1);
  expect((client.received[0] as Buffer).equals(largest)).toBe(true);
  await client.close();
});
