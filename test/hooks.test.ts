// Topics whose messages go to onPublish, on a running system: over two gateways, while workers are replaced and killed.

import { afterEach, expect, test } from "vitest";
import { TestClient } from "./client.ts";
import { until } from "./installation.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

interface Letter {
  readonly from: string;
  readonly n: number;
  readonly heard: number;
}

interface Opened {
  readonly id: string;
  readonly gateway: string;
}

async function open(path: string): Promise<TestClient> {
  const client = await TestClient.open(`${system.url}${path}`);
  await client.receives(1);
  return client;
}

function inbox(name: string): Promise<TestClient> {
  return open(`/inbox/${name}`);
}

function opened(client: TestClient): Opened {
  return client.values[0] as Opened;
}

/** Of all that was published to it, behind what it was told when it opened. */
function letters(client: TestClient): Letter[] {
  return client.values.slice(1) as Letter[];
}

test("what is published to a connection's topic is a turn of it once and in order, through deploys and kills", async () => {
  system = await TestSystem.start({ handlers: "hooks", gateways: 2, workers: 2 });
  system.keepWorkers();
  const clients: TestClient[] = [];
  const gateways = () => new Set(clients.map((client) => opened(client).gateway));
  while (clients.length < 6 || gateways().size < 2) clients.push(await inbox(String(clients.length)));
  let sent = 0;
  // Each to itself, and to the two behind it.
  const send = (count: number) => {
    for (let each = 0; each < count; each++, sent++) {
      for (const [index, client] of clients.entries()) {
        for (const step of [0, 1, 2]) client.send({ to: String((index + step) % clients.length), n: sent });
      }
    }
  };
  const arrived = () => Promise.all(clients.map((client) => client.until(() => letters(client).length >= 3 * sent, "all letters arrive")));

  send(50);
  const deploying = system.deploy("2", { workers: 2 });
  send(50);
  await deploying;
  send(50);
  await system.live("worker")[0]?.end("SIGKILL");
  send(50);
  await arrived();
  clients[0]?.send({ to: "1", n: -1, die: true });
  send(50);
  await clients[1]?.until(
    () => letters(clients[1] as TestClient).some(({ n }) => n === -1),
    "the one that killed its worker has run again",
  );
  await system.deploy("3", { workers: 1 });
  send(20);
  await arrived();

  for (const [index, client] of clients.entries()) {
    const all = letters(client);
    expect(all.map(({ heard }) => heard)).toEqual(all.map((_, at) => at + 1));
    for (const step of [0, 1, 2]) {
      const from = String((index + clients.length - step) % clients.length);
      const numbers = all.filter((letter) => letter.from === from && letter.n >= 0).map(({ n }) => n);
      expect(numbers, `from ${from} to ${index}`).toEqual(Array.from({ length: sent }, (_, n) => n));
    }
    expect(client.closed).toBeUndefined();
  }
  await Promise.all(clients.map((client) => client.close()));
});

test("a topic with readers of both kinds: clients get frames, handlers get turns, and nobody both, whoever is left out", async () => {
  system = await TestSystem.start({ handlers: "hooks" });
  const [ada, bob, eve, watch] = [await inbox("ada"), await inbox("bob"), await inbox("eve"), await open("/watch")];
  bob.send({ to: "all", n: 1, except: [] });
  bob.send({ to: "all", n: 2, except: [opened(ada).id] });
  bob.send({ to: "all", n: 3, except: [opened(ada).id, opened(watch).id] });
  bob.send({ to: "all", n: 4 });
  const all = [ada, bob, eve, watch];
  await Promise.all(all.map((client) => client.until(() => letters(client).some(({ n }) => n === 4), "the last one arrives")));
  // A frame too many would come before this one.
  bob.send({ to: "all", n: 5 });
  await Promise.all(all.map((client) => client.until(() => letters(client).some(({ n }) => n === 5), "what is behind it arrives")));
  expect(letters(ada)).toEqual([1, 4, 5].map((n, index) => ({ from: "bob", n, heard: index + 1 })));
  expect(letters(bob)).toEqual([4, 5].map((n, index) => ({ from: "bob", n, heard: index + 1 })));
  expect(letters(eve).map(({ n }) => n)).toEqual([1, 2, 3, 4, 5]);
  expect(letters(watch)).toEqual([1, 2, 4, 5].map((n) => ({ from: "bob", n })));
  await Promise.all(all.map((client) => client.close()));
});

test("a release without onPublish drops them; without workers they wait, and one that has too many of them is closed", async () => {
  system = await TestSystem.start({ handlers: "hooks", environment: { PARKED_MESSAGES: "20" } });
  const [ada, bob] = [await inbox("ada"), await inbox("bob")];
  const dropped = async (reason: string) => {
    const exposition = await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics");
    return exposition.sum("thinstate_published_events_dropped_total", { reason });
  };
  await system.deploy("2", { handlers: "hooks-without" });
  bob.send({ to: "ada", n: 1 });
  await until("it is dropped", async () => ((await dropped("unhandled")) === 1 ? true : undefined));
  await system.deploy("3");
  bob.send({ to: "ada", n: 2 });
  await ada.receives(2);
  expect(letters(ada)).toEqual([{ from: "bob", n: 2, heard: 1 }]);

  for (const worker of system.live("worker")) await worker.end("SIGKILL");
  await system.until(() => system.gatewayHellos.every(({ serving }) => !serving), "the gateway has no worker");
  const publish = (name: string, n: number) =>
    system.bus.publish(system.subjects.topicFromOutside(`inbox:${name}`), Buffer.from(JSON.stringify({ n })));
  for (let n = 3; n < 8; n++) publish("bob", n);
  for (let n = 0; n < 21; n++) publish("ada", n);
  expect(await ada.closes()).toEqual({ code: 1013, reason: "parked.tooMuch" });
  expect(await dropped("discarded")).toBe(21);
  system.startWorker("3");
  await bob.until(() => letters(bob).length === 5, "what has waited arrives");
  expect(letters(bob).map(({ n }) => n)).toEqual([3, 4, 5, 6, 7]);
  await bob.close();
});
