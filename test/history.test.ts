// What topics keep, on a running system: two gateways, workers that die, and a nats-server that is killed. No gap, no double.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { gatewayOf } from "../protocol/connection-id.ts";
import { TestClient } from "./client.ts";
import { startNats } from "./nats.ts";
import { openOnBoth } from "./on-both-gateways.ts";
import { TestSystem } from "./system.ts";

let folder: string;
let system: TestSystem;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-history-"));
  system = await TestSystem.start({ handlers: "history", gateways: 2, workers: 2, nats: await startNats(0, ["-js", "-sd", folder]) });
});

afterEach(async () => {
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Said {
  readonly said: unknown;
}

/** What a client was sent that was said in the room. */
function said(client: TestClient): unknown[] {
  return client.values
    .filter((value): value is Said => typeof value === "object" && value !== null && "said" in value)
    .map((value) => value.said);
}

/** One on each gateway. */
async function openOneOnEach(path: string): Promise<[TestClient, TestClient]> {
  const clients = await openOnBoth(`${system.url}${path}`, 2, async (client) => {
    await client.receives(1);
    return idOf(client);
  });
  const byGateway = new Map(clients.map((client) => [gatewayOf(idOf(client)), client]));
  const kept = [...byGateway.values()] as [TestClient, TestClient];
  await Promise.all(clients.filter((client) => !kept.includes(client)).map((client) => client.close()));
  return kept;
}

async function history(client: TestClient, last: number): Promise<unknown[]> {
  const answers = () =>
    client.values.filter((value): value is { history: Said[] } => typeof value === "object" && value !== null && "history" in value);
  const before = answers().length;
  client.send({ history: last });
  await client.until(() => answers().length > before, "the history comes");
  return (
    answers()
      .at(-1)
      ?.history.map((entry) => entry.said) ?? []
  );
}

test("what is kept is told to whoever asks, and to newcomers before anything newer, in its place within the turn", async () => {
  const [ada, bob] = await openOneOnEach("/room/blue?last=5");
  await ada.receives(2);
  expect(ada.values[1]).toEqual({ in: true });
  for (const text of ["a", "b", "c"]) ada.send({ say: text });
  await bob.until(() => said(bob).length === 3, "bob hears them");
  await ada.until(() => said(ada).length === 3, "ada hears them");
  ada.send({ say: "not kept", plain: true });
  ada.send({ say: "d" });
  await Promise.all([ada, bob].map((client) => client.until(() => said(client).length === 5, "both hear all")));
  for (const client of [ada, bob]) expect(said(client)).toEqual(["a", "b", "c", "not kept", "d"]);
  const [cyd, dan] = await openOneOnEach("/room/blue");
  for (const client of [cyd, dan]) {
    client.send({ subscribe: 3 });
    await client.receives(6);
    expect(client.values.slice(1)).toEqual([{ before: true }, { said: "b" }, { said: "c" }, { said: "d" }, { in: true }]);
    expect(await history(client, 2)).toEqual(["c", "d"]);
  }
  cyd.send({ appSay: "e" });
  await cyd.until(() => cyd.values.some((value) => (value as { stored?: string }).stored === "e"), "it is stored");
  expect(await history(dan, 10)).toEqual(["a", "b", "c", "d", "e"]);
  await Promise.all([ada, bob, cyd, dan].map((client) => client.until(() => said(client).at(-1) === "e", "all hear it")));
  expect(said(dan)).toEqual(["b", "c", "d", "e"]);
  await Promise.all([ada, bob, cyd, dan].map((client) => client.close()));
});

test("who has read what is kept subscribes behind a position of it, and misses nothing that came meanwhile", async () => {
  const [ada, bob] = await openOneOnEach("/room/grey");
  for (const text of ["a", "b", "c"]) ada.send({ appSay: text });
  await ada.receives(4);
  bob.send({ history: 3 });
  await bob.receives(2);
  const { positions } = bob.values[1] as { positions: string[] };
  ada.send({ appSay: "d" });
  await ada.receives(5);
  bob.send({ after: positions[1] });
  await bob.receives(6);
  ada.send({ appSay: "e" });
  await bob.until(() => said(bob).length === 3, "bob hears them");
  expect(bob.values.slice(2)).toEqual([{ before: true }, { said: "c" }, { said: "d" }, { in: true }, { said: "e" }]);
  await Promise.all([ada, bob].map((client) => client.close()));
});

test("killed workers and a killed nats-server: nobody misses anything or gets it twice, whenever they came", async () => {
  system.keepWorkers();
  const messages = 90;
  const listeners: TestClient[] = [...(await openOneOnEach("/room/red?last=1000"))];
  const [first] = listeners as [TestClient];
  const speakers = await openOneOnEach("/room/red");
  const talking = speakers.map(async (client, speaker) => {
    for (let number = 0; number < messages; number++) {
      const text = `${speaker} ${number}${isPlain(number) ? " plain" : ""}`;
      client.send(number % 60 === 30 ? { die: text } : { say: text, plain: isPlain(number) });
      await first.until(() => heardOf(first, speaker).length >= number - 10, "it goes on");
    }
  });
  const join = async () => {
    listeners.push(await TestClient.open(`${system.url}/room/red?last=1000`));
  };
  for (const fault of [20, 55]) {
    await first.until(() => heardOf(first, 0).length >= fault, "enough was said");
    await Promise.all([system.restartNats(), join(), join()]);
    await join();
  }
  await Promise.all(talking);
  await first.until(() => said(first).length >= 2 * messages, "all of it is heard, also what is not kept");
  await Promise.all(listeners.map((client) => client.until(() => kept(client).length >= 2 * messages - plain(messages), "all was heard")));
  const all = kept(first);
  for (const speaker of [0, 1]) {
    const numbers = Array.from({ length: messages }, (_, number) => number);
    const heard = heardOf(first, speaker).map(Number);
    expect(heard.toSorted((a, b) => a - b)).toEqual(numbers);
    expect(all.filter((text) => text.startsWith(`${speaker} `))).toEqual(numbers.filter((n) => !isPlain(n)).map((n) => `${speaker} ${n}`));
  }
  for (const client of listeners) expect(kept(client)).toEqual(all);
  expect(await history(first, 1_000)).toEqual(all);
  await Promise.all([...listeners, ...speakers].map((client) => client.close()));
});

test("a gateway that is killed takes what it had not stored with it, and leaves no gap and nothing twice", async () => {
  const [speaker, doomed] = await openOneOnEach("/room/green");
  const listener = await openBeside(speaker, "/room/green?last=1000");
  const speak = (client: TestClient, from: number, to: number) => {
    for (let number = from; number < to; number++) client.send({ say: `${client === speaker ? 0 : 1} ${number}` });
  };
  speak(speaker, 0, 50);
  speak(doomed, 0, 50);
  await listener.until(() => heardOf(listener, 1).length >= 10, "the other gateway's is heard");
  speak(doomed, 50, 500);
  const hello = system.gatewayHellos.find(({ id }) => idOf(doomed).startsWith(`${id}-`));
  await system
    .live("gateway")
    .find(({ pid }) => pid === hello?.pid)
    ?.end("SIGKILL");
  // As its supervisor does.
  system.say({ kind: "gone", id: hello?.id ?? "", reason: "exited" });
  speak(speaker, 50, 100);
  await listener.until(() => heardOf(listener, 0).length === 100, "all of the other one is heard");
  const all = (await history(speaker, 1_000)) as string[];
  for (const name of [0, 1]) {
    const numbers = all.filter((text) => text.startsWith(`${name} `)).map((text) => Number(text.split(" ")[1]));
    expect(numbers).toEqual(Array.from(numbers, (_, number) => number));
  }
  expect(kept(listener)).toEqual(all);
  await Promise.all([speaker, listener].map((client) => client.close()));
});

function idOf(client: TestClient): string {
  return (client.values[0] as { opened: string }).opened;
}

/** One on the same gateway. */
async function openBeside(other: TestClient, path: string): Promise<TestClient> {
  for (;;) {
    const client = await TestClient.open(`${system.url}${path}`);
    await client.receives(1);
    if (idOf(client).split("-")[0] === idOf(other).split("-")[0]) return client;
    await client.close();
  }
}

/** Whether a message is one that its topic does not keep. */
function isPlain(number: number): boolean {
  return number % 3 === 2;
}

/** How many of the first ones of both speakers are not kept. */
function plain(messages: number): number {
  return 2 * Array.from({ length: messages }, (_, number) => number).filter(isPlain).length;
}

function kept(client: TestClient): string[] {
  return (said(client) as string[]).filter((text) => !text.endsWith(" plain"));
}

/** The numbers of a speaker's messages, as they came. */
function heardOf(client: TestClient, speaker: number): string[] {
  return (said(client) as string[]).flatMap((text) => (text.startsWith(`${speaker} `) ? [text.split(" ")[1] ?? ""] : []));
}
