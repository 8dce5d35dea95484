import { expect, test } from "vitest";
import { CodedError } from "../../protocol/errors.ts";
import type { NewEntry } from "../../protocol/history.ts";
import { KeptOutbox } from "./kept-outbox.ts";

const keep = { messages: 5, seconds: 60 };

/** An outbox whose store answers when, and as, the test says. */
function stageOf(pendingBytes = 10_000) {
  const asked: Array<{ entry: NewEntry; resolve: () => void; reject: (error: Error) => void }> = [];
  const waiting: Array<() => void> = [];
  const log: string[] = [];
  const state = { now: 0, isConnected: true };
  const outbox = new KeptOutbox({
    self: "g",
    store: { append: (entry) => new Promise<void>((resolve, reject) => void asked.push({ entry, resolve, reject })) },
    flush: () => void log.push("flush"),
    now: () => state.now,
    after: (_ms, run) => void waiting.push(run),
    isConnected: () => state.isConnected,
    limits: { pendingBytes },
  });
  const keepText = (publisher: string, text: string, topic = "room") => {
    const publish = { topic, retention: keep, data: Buffer.from(text), isBinary: false, except: [] };
    outbox.keep(publisher, publish, (error) => void log.push(`${text} ${error?.code ?? "stored"}`));
  };
  const texts = () => asked.map(({ entry }) => Buffer.from(entry.data).toString());
  /** Lets the outbox hear of an answer. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const again = async () => {
    for (const run of waiting.splice(0)) run();
    await settle();
  };
  return { outbox, asked, log, state, keepText, texts, settle, again };
}

test("a publisher's messages on a topic are stored one by one, what it does not keep in between; other publishers need not wait", async () => {
  const { outbox, asked, log, keepText, texts, settle } = stageOf();
  keepText("ada", "a1");
  keepText("ada", "a2");
  keepText("bob", "b1");
  keepText("ada", "elsewhere", "other");
  expect(outbox.behind("ada", "room", { dataBytes: 5, run: () => void log.push("not kept") })).toBe(true);
  expect(outbox.behind("cyd", "room", { dataBytes: 5, run: () => undefined })).toBe(false);
  keepText("ada", "a3");
  expect(texts()).toEqual(["a1", "b1", "elsewhere"]);
  for (let number = 0; number < asked.length; number++) {
    asked[number]?.resolve();
    await settle();
  }
  expect(texts()).toEqual(["a1", "b1", "elsewhere", "a2", "a3"]);
  expect(log.filter((line) => line !== "flush")).toEqual([
    "a1 stored",
    "b1 stored",
    "elsewhere stored",
    "a2 stored",
    "not kept",
    "a3 stored",
  ]);
  expect([outbox.isEmpty, outbox.bytes]).toEqual([true, 0]);
});

test("whoever reads a topic may wait for what is yet to be stored there, by whomever, and for nothing that comes later", async () => {
  const { outbox, asked, log, keepText, settle } = stageOf();
  const read = (topic: string) => void outbox.settled(topic).then(() => log.push(`${topic} is read`));
  keepText("ada", "a1");
  keepText("ada", "a2");
  keepText("bob", "b1");
  read("room");
  read("other");
  keepText("ada", "a3");
  for (let number = 0; number < 3; number++) {
    await settle();
    asked[number]?.[number === 1 ? "reject" : "resolve"](new CodedError("history.tooMany", ""));
  }
  await settle();
  const said = log.filter((line) => line !== "flush");
  expect(said).toEqual(["other is read", "a1 stored", "b1 history.tooMany", "a2 stored", "room is read"]);
});

test("what fails is tried again under the same id, with everything before it sent, until it is stored; NATS may be away for any time", async () => {
  const { outbox, asked, log, state, keepText, settle, again } = stageOf();
  keepText("ada", "a");
  state.isConnected = false;
  for (let attempt = 0; attempt < 50; attempt++) {
    state.now += 5_000;
    asked.at(-1)?.reject(new Error("the connection to NATS has broken"));
    await settle();
    await again();
  }
  asked.at(-1)?.resolve();
  await settle();
  expect(new Set(asked.map(({ entry }) => entry.id)).size).toBe(1);
  expect(asked.at(-1)?.entry.triedMs).toBe(250_000);
  expect(log).toEqual([...Array(51).fill("flush"), "a stored"]);
  expect(outbox.counters).toEqual({ kept: 1, retried: 50, failed: 0 });
});

test("a store that says that there is none is asked again for a moment, one that has no room for another kind of keep is not", async () => {
  const { asked, log, state, keepText, settle, again } = stageOf();
  keepText("ada", "a");
  asked[0]?.reject(new CodedError("history.unavailable", "off"));
  await settle();
  state.now = 2_000;
  await again();
  asked[1]?.reject(new CodedError("history.unavailable", "off"));
  await settle();
  keepText("ada", "b");
  asked[2]?.reject(new CodedError("history.tooMany", "eight"));
  await settle();
  expect(log.filter((line) => line !== "flush")).toEqual(["a history.unavailable", "b history.tooMany"]);
});

test("a store that does not answer although NATS is there is given up, and what waits behind goes on", async () => {
  const { outbox, asked, log, keepText, settle, again } = stageOf();
  keepText("ada", "a");
  outbox.behind("ada", "room", { dataBytes: 5, run: () => void log.push("not kept") });
  for (let attempt = 0; attempt < 12; attempt++) {
    asked.at(-1)?.reject(new Error("no answer"));
    await settle();
    await again();
  }
  expect(log.filter((line) => line !== "flush")).toEqual(["a history.unavailable", "not kept"]);
});

test("a publish that names its id itself keeps it", () => {
  const { outbox, asked } = stageOf();
  const publish = { topic: "room", retention: keep, data: Buffer.from("a"), isBinary: false, except: [], id: "call-0" };
  outbox.keep("api", publish, () => undefined);
  expect(asked.map(({ entry }) => entry.id)).toEqual(["call-0"]);
});

test("what waits is bounded, with what waits behind it", async () => {
  const { outbox, asked, keepText, settle } = stageOf(1_000);
  keepText("ada", "x".repeat(500));
  expect([outbox.hasRoom(), outbox.bytes]).toEqual([true, 756]);
  outbox.behind("ada", "room", { dataBytes: 100, run: () => undefined });
  expect([outbox.hasRoom(), outbox.bytes]).toEqual([false, 1_112]);
  asked[0]?.resolve();
  await settle();
  expect([outbox.hasRoom(), outbox.bytes]).toEqual([true, 0]);
});

test("an address has a quarter of it, for what it keeps and what waits behind that; others have the rest", async () => {
  const { outbox, asked, settle } = stageOf(4_000);
  const [owner, other] = [{ historyBytes: 0 }, { historyBytes: 0 }];
  const publish = { topic: "room", retention: keep, data: Buffer.alloc(500), isBinary: false, except: [] };
  outbox.keep("ada", { ...publish, owner }, () => undefined);
  expect([owner.historyBytes, outbox.hasRoom(owner)]).toEqual([756, true]);
  outbox.behind("ada", "room", { dataBytes: 0, owner, run: () => undefined });
  expect([owner.historyBytes, outbox.hasRoom(owner), outbox.hasRoom(other), outbox.hasRoom()]).toEqual([1_012, false, true, true]);
  asked[0]?.resolve();
  await settle();
  expect([owner.historyBytes, outbox.bytes, outbox.hasRoom(owner)]).toEqual([0, 0, true]);
});
