// What topics keep, in the JetStream of a real nats-server.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "nats";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import type { BusMessage } from "../protocol/bus.ts";
import type { HistoryEntry, HistoryStore, NewEntry } from "../protocol/history.ts";
import { type Subjects, subjectsOf } from "../protocol/subjects.ts";
import { keptPort, startNats, type TestNats } from "../test/nats.ts";
import { patienceMs } from "../testbed/patience.ts";
import { connectBus, type NatsBus } from "./connection.ts";

const keep = { messages: 5, seconds: 3_600 };
const limits = { streams: 3, streamBytes: 1024 * 1024 };

let folder: string;
let port: number;
let nats: TestNats;
let bus: NatsBus;
let store: HistoryStore;
let subjects: Subjects;
let namespaces = 0;
let ids = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-history-"));
  port = await keptPort();
  nats = await startServer();
  bus = await connectBus({ url: nats.url, name: "history.test", onEvent: () => undefined });
});

afterAll(async () => {
  await bus.close();
  await nats.stop();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  const namespace = `history-${++namespaces}`;
  subjects = subjectsOf(namespace);
  store = bus.historyStore({ namespace, limits, wallClock: Date.now });
});

function startServer(): Promise<TestNats> {
  return startNats(port, ["-js", "-sd", folder]);
}

/** Kills it, and resolves when it is back and the bus is connected to it. */
async function restart(): Promise<void> {
  nats.process.kill("SIGKILL");
  await nats.stop();
  await vi.waitFor(() => expect(bus.connected).toBe(false), patienceMs);
  nats = await startServer();
  await bus.whenConnected();
}

function entry(topic: string, text: string, more: Partial<NewEntry> = {}): NewEntry {
  const data = Buffer.from(text);
  return { id: `id-${++ids}`, topic, retention: keep, data, isBinary: false, except: [], triedMs: 0, ...more };
}

/** What an administrator does. */
async function admin(call: string): Promise<void> {
  const outside = await connect({ servers: nats.url });
  await outside.request(`$JS.API.${call}`);
  await outside.close();
}

function texts(entries: readonly HistoryEntry[]): string[] {
  return entries.map(({ data }) => Buffer.from(data).toString());
}

async function read(topic: string, last = 100, bytes = 1_000_000): Promise<string[]> {
  return texts((await store.read(topic, { last, bytes })).latest);
}

test("each topic keeps as many of its own latest as was said, oldest first, with what was told of them", async () => {
  await store.append(entry("other: é*", "x", { isBinary: true, except: ["g-1", "g-2"] }));
  for (let number = 0; number < 8; number++) await store.append(entry("room", String(number)));
  expect(await read("room")).toEqual(["3", "4", "5", "6", "7"]);
  expect(await read("room", 2)).toEqual(["6", "7"]);
  const { latest, ends } = await store.read("other: é*", { last: 1, bytes: 100 });
  expect(latest).toMatchObject([{ offset: 1, isBinary: true, except: ["g-1", "g-2"], retention: keep }]);
  expect(Math.abs((latest[0]?.at ?? 0) - Date.now())).toBeLessThan(patienceMs);
  expect([...ends.values()]).toEqual([1]);
  expect(await read("nothing")).toEqual([]);
});

test("what has the same id is stored once, also when NATS was killed in between", async () => {
  const first = entry("room", "first");
  await store.append(first);
  await store.append(first);
  await restart();
  await store.append({ ...first, triedMs: 1 });
  await store.append({ ...first, triedMs: 3_600_000 });
  await store.append(entry("room", "second", { triedMs: 3_600_000 }));
  expect(await read("room")).toEqual(["first", "second"]);
});

test("what was acknowledged survives a nats-server that is killed while others are under way", async () => {
  await store.append(entry("flood 0", "ready"));
  const acknowledged: string[] = [];
  const failed: string[] = [];
  const all = Array.from({ length: 2_000 }, (_, number) =>
    store.append(entry(`flood ${number % 7}`, String(number), { retention: { messages: 1_000, seconds: 3_600 } })).then(
      () => void acknowledged.push(String(number)),
      () => void failed.push(String(number)),
    ),
  );
  await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(100), { timeout: patienceMs, interval: 1 });
  await restart();
  await Promise.all(all);
  const kept = (await Promise.all([0, 1, 2, 3, 4, 5, 6].map((topic) => read(`flood ${topic}`, 1_000)))).flat();
  expect(acknowledged.filter((text) => !kept.includes(text))).toEqual([]);
  expect(kept.length).toBe(new Set(kept).size);
});

test("what is stored is published to its topic, in the stream's order, with the number of the one before", async () => {
  const heard: BusMessage[] = [];
  bus.subscribe(subjects.topic("room"), (message) => heard.push(message));
  await bus.flush();
  for (const topic of ["room", "other", "room"]) await store.append(entry(topic, `in ${topic}`));
  await vi.waitFor(() => expect(heard).toHaveLength(2), patienceMs);
  const [{ epoch = "" } = {}] = (await store.read("room", { last: 1, bytes: 100 })).latest;
  expect(heard.map(({ subject }) => subject)).toEqual([subjects.topicKept("room", epoch), subjects.topicKept("room", epoch)]);
  const numbers = heard.map((message) => [message.header("Nats-Sequence"), message.header("Nats-Last-Sequence")]);
  expect(numbers).toEqual([
    ["1", "0"],
    ["3", "1"],
  ]);
});

test("what is behind an offset is read whole, whatever the last few are; and a stream is read over all topics", async () => {
  for (let number = 0; number < 5; number++) await store.append(entry(`room ${number % 2}`, String(number)));
  const [{ epoch = "" } = {}] = (await store.read("room 0", { last: 1, bytes: 1 })).latest;
  const behind = await store.read("room 0", { last: 1, bytes: 1, after: new Map([[epoch, 1]]) });
  expect([texts(behind.latest), texts(behind.further)]).toEqual([["4"], ["2", "4"]]);
  const since = await store.read("room 0", { last: 1, bytes: 1, since: Date.now() + 60_000 });
  expect(since.further).toEqual([]);
  const all: string[] = [];
  await store.replay(epoch, { offset: 2 }, (topic, { data }) => all.push(`${topic}: ${Buffer.from(data)}`));
  expect(all).toEqual(["room 1: 1", "room 0: 2", "room 1: 3", "room 0: 4"]);
  expect(await store.ends()).toEqual([{ epoch, lastOffset: 5 }]);
});

test("several hundred are read, in pieces; and no more bytes than are wanted, but one", async () => {
  const retention = { messages: 1_000, seconds: 3_600 };
  const all = Array.from({ length: 300 }, (_, number) => `message ${number}`);
  for (const text of all) await store.append(entry("long", text, { retention }));
  expect(await read("long", 1_000)).toEqual(all);
  expect(await read("long", 1_000, 30)).toEqual(all.slice(-2));
  expect(await read("long", 1_000, 1)).toEqual(all.slice(-1));
});

test("kinds of retention have a stream each, read together by time; there are so many, and an empty one makes room", async () => {
  const kinds = [1, 2, 3].map((messages) => ({ messages, seconds: 3_600 }));
  for (const [number, retention] of kinds.entries()) await store.append(entry("room", String(number), { retention }));
  await store.append(entry("room", "last", { retention: { messages: 2, seconds: 3_600 } }));
  expect(await read("room")).toEqual(["0", "1", "2", "last"]);
  expect(await read("room", 2)).toEqual(["2", "last"]);
  const another = entry("room", "another", { retention: keep });
  await expect(store.append(another)).rejects.toThrow(/history\.tooMany: there are 3 kinds of keep already \(HISTORY_STREAMS\)/);
  await admin(`STREAM.PURGE.history-${namespaces}-history-1`);
  await store.append(another);
  // Another gateway's store finds what is there.
  const other = bus.historyStore({ namespace: `history-${namespaces}`, limits, wallClock: Date.now });
  expect(texts((await other.read("room", { last: 100, bytes: 1_000 })).latest)).toEqual(["1", "2", "last", "another"]);
});

test("two gateways that need a stream at the same moment make one; one that was removed is made again, with another epoch", async () => {
  const other = bus.historyStore({ namespace: `history-${namespaces}`, limits, wallClock: Date.now });
  await Promise.all([store.append(entry("room", "a")), other.append(entry("room", "b"))]);
  expect(await store.ends()).toMatchObject([{ lastOffset: 2 }]);
  const [before] = await store.ends();
  await admin(`STREAM.DELETE.history-${namespaces}-history-1`);
  await expect(store.append(entry("room", "c"))).rejects.toThrow("does not answer");
  await store.append(entry("room", "c"));
  expect(await read("room")).toEqual(["c"]);
  const [after] = await store.ends();
  expect(after?.epoch).not.toBe(before?.epoch);
});

test("where JetStream is off, that is told", async () => {
  const plain = await startNats();
  const without = await connectBus({ url: plain.url, name: "test", onEvent: () => undefined });
  const off = without.historyStore({ namespace: "off", limits, wallClock: Date.now });
  await expect(off.append(entry("room", "x"))).rejects.toThrow(/history\.unavailable.*JetStream does not answer: is it on\?/);
  await expect(off.read("room", { last: 1, bytes: 1 })).rejects.toThrow("history.unavailable");
  await without.close();
  await plain.stop();
});
