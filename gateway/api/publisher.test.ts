// Publishes of the HTTP API: what is kept and what is not, in one order; and what a failure says.

import { expect, test } from "vitest";
import { CodedError } from "../../protocol/errors.ts";
import { History } from "../history/history.ts";
import { MemoryStore } from "../history/memory-store.ts";
import { Publisher } from "./publisher.ts";

const keep = { messages: 5, seconds: 60 };

function stageOf(pendingBytes = 10_000) {
  const store = new MemoryStore();
  const log: string[] = [];
  store.onStored = (_topic, { data }) => void log.push(`stored ${Buffer.from(data)}`);
  const history = new History({
    self: "g",
    store,
    flush: () => undefined,
    now: () => 0,
    wallClock: () => 0,
    after: (_ms, run) => setImmediate(run),
    isConnected: () => true,
    publishHere: (_topic, data) => void log.push(`here ${Buffer.from(data)}`),
    wantedAt: () => undefined,
    limits: { pendingBytes, cacheBytes: 1_000, readBytes: 1_000 },
  });
  const publisher = new Publisher({
    history,
    topics: { publishElsewhere: (_topic, data) => void log.push(`elsewhere ${Buffer.from(data)}`) },
  });
  const one = (text: string) => ({ topic: "room", data: Buffer.from(text), isBinary: false });
  return { store, log, publisher, one };
}

test("what is not kept waits behind what is kept on its topic, with its own bytes", async () => {
  const { log, publisher, one } = stageOf();
  const stored = publisher.keep(
    [
      { ...one("a"), keep },
      { ...one("b"), keep },
    ],
    undefined,
  );
  const plain = one("c");
  publisher.publish(plain);
  plain.data.fill("x");
  publisher.publish({ ...one("elsewhere"), topic: "other" });
  await stored;
  publisher.publish(one("d"));
  const expected = ["here elsewhere", "elsewhere elsewhere", "stored a", "stored b", "here c", "elsewhere c", "here d", "elsewhere d"];
  expect(log).toEqual(expected);
});

test("a call with a name is stored once, also by a gateway that has not heard of it", async () => {
  const { store, publisher, one } = stageOf();
  const many = [
    { ...one("a"), keep },
    { ...one("a"), keep },
  ];
  for (let tries = 0; tries < 3; tries++) await publisher.keep(many, { name: "shop k", fingerprint: "f" });
  expect(store.stored).toHaveLength(2);
  await publisher.keep(many, { name: "shop l", fingerprint: "f" });
  await publisher.keep(many, undefined);
  expect(store.stored).toHaveLength(6);
});

test("refused: what has no room, one keep too many, and a store that is away", async () => {
  const { store, publisher, one } = stageOf(300);
  const big = publisher.keep([{ ...one("x".repeat(100)), keep }], undefined);
  await expect(publisher.keep([{ ...one("a"), keep }], undefined)).rejects.toMatchObject({ code: "history.total", status: 503 });
  await big;
  store.fault = () => Promise.reject(new CodedError("history.tooMany", "there are 8 kinds"));
  const tooMany = { code: "history.tooMany", status: 400, message: "there are 8 kinds" };
  await expect(publisher.keep([{ ...one("a"), keep }], undefined)).rejects.toMatchObject(tooMany);
  store.fault = () => Promise.reject(new Error("no answer"));
  await expect(publisher.keep([{ ...one("a"), keep }], undefined)).rejects.toMatchObject({ code: "history.unavailable", status: 503 });
  await expect(publisher.history("room", 5)).rejects.toMatchObject({ code: "history.unavailable" });
});
