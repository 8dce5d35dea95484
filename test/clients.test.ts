// Clients that do not behave: too slow, too fast, and gone at any moment.

import { once } from "node:events";
import { afterEach, expect, test, vi } from "vitest";
import { patienceMs, stretchedMs } from "../testbed/patience.ts";
import { TestClient } from "./client.ts";
import type { Step } from "./handlers/basic/script.ts";
import { RawClient } from "./raw-client.ts";
import { type SystemOptions, TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

async function start(environment: Record<string, string> = {}, options: SystemOptions = {}): Promise<void> {
  system = await TestSystem.start({ handlers: "clients", ...options, environment });
}

/** What the connections of a room report, in order. */
class Journal {
  readonly client: TestClient;

  private constructor(client: TestClient) {
    this.client = client;
  }

  static async of(room: string): Promise<Journal> {
    const client = await TestClient.open(`${system.url}/journal/${room}`);
    await client.receives(1);
    return new Journal(client);
  }

  get entries(): Array<{ open?: string; close?: string; upgrading?: string; name?: string; code?: number; count?: number }> {
    return this.client.received.slice(1).map((frame) => JSON.parse(String(frame)) as object);
  }

  has(count: number): Promise<void> {
    return this.client.receives(1 + count);
  }

  /** Every connection that opened has closed, once, and after it had opened; nobody else has. */
  expectPaired(): void {
    const seen = new Map<string, string[]>();
    for (const { open, close } of this.entries) {
      const id = open ?? close;
      if (id !== undefined) seen.set(id, [...(seen.get(id) ?? []), open === undefined ? "close" : "open"]);
    }
    for (const [id, events] of seen) expect(events, id).toEqual(["open", "close"]);
  }
}

/** Nothing is left but so many connections, and nothing waits. */
function untilLeft(connections: number): Promise<void> {
  const isLeft = () => system.gatewayHellos[0]?.connections === connections && system.gatewayHellos[0].parked === 0;
  return system.until(isLeft, `${connections} connections are left`);
}

async function slowConsumers(): Promise<unknown> {
  return (await system.status()).counters.slowConsumers;
}

/** What the gateway says of slow consumers, once its log has come through its pipe. */
function untilLogged(lines: readonly object[]): Promise<void> {
  return vi.waitFor(() => expect(system.live("gateway")[0]?.logged("slow consumer")).toMatchObject(lines), patienceMs);
}

/** Asks a /script client for steps, and waits until the last of them is answered. */
async function run(client: TestClient, steps: readonly Step[]): Promise<void> {
  const before = client.received.length;
  client.send([...steps, { do: "send", data: "done" }]);
  await client.receives(before + 1);
}

const subscribe: readonly Step[] = [{ do: "subscribe", topic: "busy" }];

test("a subscriber that stops reading is closed, counted and logged once; its bytes are bounded, and no other one waits", async () => {
  await start({ BACKPRESSURE_BYTES: "1000000" });
  const journal = await Journal.of("slow");
  const [reader, publisher] = await Promise.all(["slow", "busy"].map((room) => TestClient.open(`${system.url}/script/${room}`)));
  if (reader === undefined || publisher === undefined) throw new Error("two clients");
  await run(reader, subscribe);
  const stopped = await RawClient.open(system.url, "/script/slow");
  stopped.text([...subscribe, { do: "send", data: "done" }]);
  await journal.has(2);
  while (!stopped.received.includes("done")) await new Promise((resolve) => stopped.socket.once("data", resolve));
  stopped.stopReading();

  const before = (await system.status()).memory as number;
  const data = "x".repeat(100_000);
  let longestMs = 0;
  let published = 0;
  // The kernel takes some megabytes before anything waits in the gateway.
  while (journal.entries.length < 3) {
    const startedAt = performance.now();
    publisher.send([{ do: "publish", topic: "busy", data }]);
    published++;
    await reader.receives(1 + published);
    longestMs = Math.max(longestMs, performance.now() - startedAt);
    if (published > 1_000) throw new Error("100 MB wait for a client that does not read");
  }
  expect(journal.entries[2]).toMatchObject({ code: 1006 });
  expect(await slowConsumers()).toBe(1);
  await untilLogged([{ route: "/script/:room", limitBytes: 1_000_000 }]);
  expect(longestMs).toBeLessThan(stretchedMs(1_000));
  expect(((await system.status()).memory as number) - before).toBeLessThan(64 * 1024 * 1024);
  stopped.reset();
  await Promise.all([reader, publisher, journal.client].map((client) => client.close()));
});

test("a client that stops reading what is sent to it alone is a slow consumer, too; one that just leaves is none", async () => {
  // Parking is not what is to stop it, also where the worker is slower than the client.
  await start({ MESSAGE_BYTES: "100000", BACKPRESSURE_BYTES: "100000", PARKED_BYTES: "500000000", PARKED_TOTAL_BYTES: "500000000" });
  const journal = await Journal.of("alone");
  const leaver = await RawClient.open(system.url, "/script/alone");
  leaver.end();
  await journal.has(2);
  expect(journal.entries[1]).toMatchObject({ code: 1006 });
  await untilLeft(1);
  const stopped = await RawClient.open(system.url, "/echo");
  await untilLeft(2);
  stopped.stopReading();
  const message = Buffer.alloc(50_000);
  // No faster than they are handled: what waits is what comes back.
  const sending = setInterval(() => stopped.send(0x2, message), 2);
  await untilLeft(1);
  clearInterval(sending);
  stopped.reset();
  expect(await slowConsumers()).toBe(1);
  await untilLogged([{ route: "/echo", limitBytes: 100_000 }]);
  journal.expectPaired();
  await journal.client.close();
});

test("one that floods a busy handler is closed with 1013 at its own bound; the others are answered meanwhile", async () => {
  await start({ PARKED_MESSAGES: "500", PARKED_BYTES: "1000000" });
  const journal = await Journal.of("flood");
  const [flooder, other] = await Promise.all(["flood", "calm"].map((room) => TestClient.open(`${system.url}/script/${room}`)));
  if (flooder === undefined || other === undefined) throw new Error("two clients");
  let longestMs = 0;
  let isFlooding = true;
  const calm = (async () => {
    while (isFlooding) {
      const startedAt = performance.now();
      await run(other, [{ do: "count" }]);
      longestMs = Math.max(longestMs, performance.now() - startedAt);
    }
  })();
  for (let count = 0; count < 2_000; count++) flooder.send([{ do: "pause", ms: 2 }, { do: "count" }]);
  expect(await flooder.closes()).toEqual({ code: 1013, reason: "parked.tooMuch" });
  isFlooding = false;
  await calm;
  expect(longestMs).toBeLessThan(stretchedMs(1_000));
  await journal.has(2);
  // What its worker had begun is done; the rest was discarded.
  const [, close] = journal.entries;
  expect(close).toMatchObject({ code: 1013 });
  expect(close?.count).toBeLessThanOrEqual(1_400);
  expect((await system.status()).counters.discarded).toBeGreaterThan(500);
  await Promise.all([other, journal.client].map((client) => client.close()));
});

test("what all have parked is bounded too: who passes that bound is closed with 1013, who sends nothing stays", async () => {
  await start({ PARKED_TOTAL_BYTES: "3000000" });
  const clients = await Promise.all(Array.from({ length: 8 }, () => TestClient.open(`${system.url}/echo`)));
  const silent = await TestClient.open(`${system.url}/echo`);
  await Promise.all(system.live("worker").map((worker) => worker.end()));
  // Each stays below its own bound of 1 MiB.
  for (const client of clients) for (let count = 0; count < 9; count++) client.send(Buffer.alloc(100_000, count));
  await system.until(() => (system.gatewayHellos[0]?.parked ?? 0) > 20, "much is parked");
  const closed = await Promise.race(clients.map((client) => client.closes()));
  expect(closed).toEqual({ code: 1013, reason: "parked.total" });
  await system.standBy("1");
  await Promise.all(
    clients.map((client) => client.until(() => client.closed !== undefined || client.received.length === 9, "all is done")),
  );
  silent.send("still here");
  await silent.receives(1);
  const kept = clients.filter((client) => client.closed === undefined);
  expect(kept.length).toBeGreaterThanOrEqual(3);
  await untilLeft(kept.length + 1);
  await Promise.all([silent, ...kept].map((client) => client.close()));
});

test("a message that is too large closes with 1009, and is never handled", async () => {
  await start({ MESSAGE_BYTES: "1000" });
  const journal = await Journal.of("large");
  const client = await TestClient.open(`${system.url}/script/large`);
  client.send([{ do: "count" }]);
  client.send([{ do: "pad", bytes: 1 }, ...Array.from({ length: 100 }, () => ({ do: "count" }))]);
  expect(await client.closes()).toEqual({ code: 1009, reason: "message.tooLarge" });
  await journal.has(2);
  expect(journal.entries[1]).toMatchObject({ code: 1009, count: 1 });
  await journal.client.close();
});

test("who breaks off while the upgrade is decided was never open; who waits is", async () => {
  await start();
  const journal = await Journal.of("hold");
  const names = ["reset", "fin", "stays", "reset too"];
  const waiting = await Promise.all(names.map((name) => RawClient.ask(system.url, `/hold/hold?name=${encodeURIComponent(name)}`)));
  await journal.has(4);
  waiting[0]?.reset();
  waiting[1]?.socket.destroy();
  waiting[3]?.reset();
  // A question that nobody waits for is forgotten.
  await system.until(() => system.gatewayHellos[0]?.parked === 1, "one is left that waits");
  const key = await TestClient.open(`${system.url}/hold/hold?now&name=key`);
  key.send("let them in");
  await journal.has(6);
  waiting[2]?.reset();
  await journal.has(7);
  await key.close();
  await journal.has(8);
  expect(journal.entries.slice(4).map(({ open, name }) => `${open === undefined ? "close" : "open"} ${name}`)).toEqual([
    ...["open key", "open stays"],
    ...["close stays", "close key"],
  ]);
  await journal.client.close();
});

test("whoever breaks off, at whatever byte of its opening: onClose once after onOpen, or neither", async () => {
  await start();
  const journal = await Journal.of("storm");
  const storm = Array.from({ length: 300 }, async (_, index) => {
    const client = await RawClient.ask(system.url, "/script/storm");
    // Some at once, some with the answer, some with a message in hand.
    if (index % 3 > 0) await new Promise((resolve) => client.socket.once("data", resolve));
    if (index % 3 === 2) client.text([{ do: "count" }]);
    if (index % 2 === 0) client.reset();
    else client.socket.destroy();
  });
  await Promise.all(storm);
  await untilLeft(1);
  const last = await TestClient.open(`${system.url}/script/storm`);
  await last.close();
  const isLast = () => journal.entries.at(-1)?.code === 1005 || journal.entries.at(-1)?.code === 1000;
  await journal.client.until(isLast, "the last one's close");
  journal.expectPaired();
  expect(journal.entries.length).toBeGreaterThan(400);
  await journal.client.close();
});

test("with a message in hand, in either close handshake, or with half a frame: onClose once, after the message", async () => {
  await start();
  const journal = await Journal.of("middle");
  const open = () => RawClient.open(system.url, "/script/middle");
  const slow: readonly Step[] = [{ do: "pause", ms: 30 }, { do: "count" }];

  const withMessage = await open();
  withMessage.text(slow);
  withMessage.reset();
  await journal.has(2);
  const inItsOwnClose = await open();
  inItsOwnClose.text(slow);
  inItsOwnClose.close(4001);
  inItsOwnClose.socket.destroy();
  await journal.has(4);
  // The server closes, and the client neither answers nor reads.
  const inOurClose = await open();
  inOurClose.stopReading();
  inOurClose.text([...slow, { do: "close", code: 4002, reason: "enough" }]);
  await journal.has(6);
  inOurClose.reset();
  const halfAFrame = await open();
  halfAFrame.text(slow);
  halfAFrame.socket.write(Buffer.from([0x81, 0xfe, 0x01]));
  halfAFrame.end();
  await journal.has(8);
  await untilLeft(1);
  const closes = journal.entries.filter(({ close }) => close !== undefined);
  expect(closes.map(({ code }) => code)).toEqual([1006, 4001, 4002, 1006]);
  expect(closes.slice(1).map(({ count }) => count)).toEqual([1, 1, 1]);
  journal.expectPaired();
  await journal.client.close();
});

test("one that is half-open, neither reading nor answering pings, is closed after IDLE_TIMEOUT_MS, once", async () => {
  await start({ IDLE_TIMEOUT_MS: "8000" });
  const journal = await Journal.of("half");
  const dead = await RawClient.open(system.url, "/script/half");
  dead.stopReading();
  await journal.has(2);
  expect(journal.entries[1]).toMatchObject({ code: 1006, count: 0 });
  expect(await slowConsumers()).toBe(0);
  await untilLeft(1);
  journal.expectPaired();
  // One that answers stays.
  expect(journal.client.isOpen).toBe(true);
  dead.reset();
  await journal.client.close();
});

// With `ws`, which ends TCP by itself, nobody would notice.
test("a turn that sends and closes ends the TCP connection with it", async () => {
  await start({ IDLE_TIMEOUT_MS: "900000" });
  const client = await RawClient.open(system.url, "/script/left");
  const ended = once(client.socket, "end");
  const asked = performance.now();
  client.text([
    { do: "send", data: "bye" },
    { do: "close", code: 4000, reason: "done" },
  ] satisfies Step[]);
  await ended;
  // uWebSockets.js gives clients that do not go by themselves 16 s, and only then ends it.
  expect(performance.now() - asked).toBeLessThan(12_000);
  expect(client.received.subarray(-13)).toEqual(Buffer.from([0x81, 3, ...Buffer.from("bye"), 0x88, 6, 0x0f, 0xa0, ...Buffer.from("done")]));
});
