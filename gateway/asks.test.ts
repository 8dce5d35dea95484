import { beforeEach, expect, test } from "vitest";
import { type Batch, decodeBatch } from "../protocol/envelope.ts";
import { Link } from "../protocol/link.ts";
import { toWorker } from "../protocol/records.ts";
import { compileRoutes } from "../protocol/route.ts";
import { Asks } from "./asks.ts";
import type { Loss } from "./dispatcher.ts";
import { WorkerPeer } from "./worker-peer.ts";

const timeoutMs = 1_000;

let now: number;
let chosen: WorkerPeer | undefined;
/** What workers were asked: who, the question's number, its body. */
let asked: string[];
let answers: string[];
let asks: Asks;

beforeEach(() => {
  now = 1;
  chosen = undefined;
  asked = [];
  answers = [];
  asks = new Asks({ now: () => now, limits: { parkMs: timeoutMs }, choose: () => chosen, memory });
});

const memory = { keepBody: () => true, dropBody: () => undefined };

function worker(id: string): WorkerPeer {
  const note = (batch: Batch) => {
    for (let index = 0; index < batch.records; index++) asked.push(`${id} ${batch.slot(index)} ${batch.text(index)}`);
  };
  const link = new Link({
    self: "g",
    peer: id,
    session: 1,
    now: () => now,
    transmit: (bytes) => note(decodeBatch(bytes)),
    onBegun: () => undefined,
    onCredit: () => undefined,
    onLost: () => undefined,
  });
  return new WorkerPeer({ id, release: "1", routes: [], table: compileRoutes([]), link, now });
}

function ask(name: string, isOver = () => false): void {
  asks.ask({
    what: "onRequest of /a",
    type: toWorker.upgrade,
    body: (isRedelivered) => Buffer.from(isRedelivered ? `${name} again` : name),
    onAnswer: (payload) => {
      if (String(payload) === "garbage") throw new Error("not an answer");
      answers.push(`${name}: ${payload}`);
    },
    onBegun: (payload) => ({
      begin: () => undefined,
      onEnd: () => answers.push(`${name}: ${payload}, ended`),
      onCut: () => undefined,
    }),
    onBroken: () => answers.push(`${name}: broken`),
    onTimeout: () => answers.push(`${name}: too late`),
    onPoison: () => answers.push(`${name}: poison`),
    isOver,
  });
  chosen?.link.flush();
}

test("a question is asked once, and its answer is given once", () => {
  const first = worker("w1");
  chosen = first;
  ask("a");
  ask("b");
  expect(asked).toEqual(["w1 1 a", "w1 2 b"]);
  asks.answered(first, 2, Buffer.from("yes"));
  asks.answered(first, 2, Buffer.from("no"));
  asks.answered(first, 7, Buffer.from("what"));
  expect(answers).toEqual(["b: yes"]);
  expect(asks.size).toBe(1);
});

test("an answer that cannot be read ends the question with an answer of another kind", () => {
  const first = worker("w1");
  chosen = first;
  ask("a");
  expect(() => asks.answered(first, 1, Buffer.from("garbage"))).toThrow("not an answer");
  expect([answers, asks.size]).toEqual([["a: broken"], 0]);
});

test("an answer of a worker that was not asked is dropped", () => {
  chosen = worker("w1");
  ask("a");
  asks.answered(worker("w2"), 1, Buffer.from("yes"));
  expect(answers).toEqual([]);
  expect(asks.size).toBe(1);
});

test("without a worker a question waits, and is asked as a new one", () => {
  ask("a");
  chosen = worker("w1");
  asks.retry();
  asks.retry();
  chosen.link.flush();
  expect(asked).toEqual(["w1 1 a"]);
});

test("what a worker that died has not answered is asked again, and says so; its late answer is dropped", () => {
  const first = worker("w1");
  chosen = first;
  ask("a");
  ask("b");
  asks.answered(first, 1, Buffer.from("yes"));
  chosen = undefined;
  asks.lost(first, "parted");
  chosen = worker("w2");
  asks.retry();
  chosen.link.flush();
  expect(asked.slice(2)).toEqual(["w2 2 b again"]);
  asks.answered(first, 2, Buffer.from("late"));
  asks.answered(chosen, 2, Buffer.from("yes"));
  expect(answers).toEqual(["a: yes", "b: yes"]);
});

test("a question that nobody answers in time is over; one that nobody waits for is forgotten", () => {
  let isGone = false;
  ask("a");
  ask("b", () => isGone);
  now += timeoutMs;
  asks.sweep();
  expect([asks.size, answers]).toEqual([2, []]);
  isGone = true;
  asks.sweep();
  expect([asks.size, answers]).toEqual([1, []]);
  now += 1;
  asks.sweep();
  expect([asks.size, answers]).toEqual([0, ["a: too late"]]);
});

test("a question that three workers died with is given up, and no other; what parts has not died of it", () => {
  const lost: Loss[] = ["died", "parted", "silent", "parted", "died"];
  chosen = worker("w0");
  ask("a");
  for (const [index, how] of lost.entries()) {
    expect(answers).toEqual([]);
    const before = chosen as WorkerPeer;
    chosen = worker(`w${index + 1}`);
    asks.lost(before, how);
    chosen.link.flush();
  }
  expect(answers).toEqual(["a: poison"]);
  expect(asked.map((text) => text.split(" ")[0])).toEqual(["w0", "w1", "w2", "w3", "w4"]);
  ask("b");
  expect(asks.size).toBe(1);
});

test("the worker of a question that is over is told that nobody waits", () => {
  const first = worker("w1");
  chosen = first;
  ask("a");
  now += timeoutMs + 1;
  asks.sweep();
  first.link.flush();
  expect(asked).toEqual(["w1 1 a", "w1 1 "]);
});
