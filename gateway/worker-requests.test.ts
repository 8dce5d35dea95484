import { beforeEach, expect, test } from "vitest";
import { type Batch, decodeBatch } from "../protocol/envelope.ts";
import { Link } from "../protocol/link.ts";
import { toWorker } from "../protocol/records.ts";
import { compileRoutes } from "../protocol/route-table.ts";
import type { Loss } from "./worker-peer.ts";
import { WorkerPeer } from "./worker-peer.ts";
import { WorkerRequests } from "./worker-requests.ts";

const timeoutMs = 1_000;

let now: number;
let chosen: WorkerPeer | undefined;
/** What workers were asked: who, the question's number, its body. */
let asked: string[];
let answers: string[];
let later: Array<() => void>;
let bugs: unknown[];
/** How long it takes to ask one. */
let askMs: number;
let requests: WorkerRequests;

beforeEach(() => {
  now = 1;
  chosen = undefined;
  asked = [];
  answers = [];
  later = [];
  bugs = [];
  askMs = 0;
  requests = new WorkerRequests({
    now: () => now,
    later: (run) => void later.push(run),
    sliceMs: 5,
    limits: { parkMs: timeoutMs },
    choose: () => chosen,
    memory,
    onBug: (error) => void bugs.push(error),
  });
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
  return new WorkerPeer({ id, release: "1", table: compileRoutes([]), link, now });
}

function ask(name: string, isOver = () => false): void {
  requests.ask({
    what: "onRequest of /a",
    type: toWorker.upgrade,
    body: (isRedelivered) => {
      now += askMs;
      return Buffer.from(isRedelivered ? `${name} again` : name);
    },
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
  requests.answered(first, 2, Buffer.from("yes"));
  requests.answered(first, 2, Buffer.from("no"));
  requests.answered(first, 7, Buffer.from("what"));
  expect(answers).toEqual(["b: yes"]);
  expect(requests.size).toBe(1);
});

test("an answer that cannot be read ends the question with an answer of another kind", () => {
  const first = worker("w1");
  chosen = first;
  ask("a");
  expect(() => requests.answered(first, 1, Buffer.from("garbage"))).toThrow("not an answer");
  expect([answers, requests.size]).toEqual([["a: broken"], 0]);
});

test("an answer of a worker that was not asked is dropped", () => {
  chosen = worker("w1");
  ask("a");
  requests.answered(worker("w2"), 1, Buffer.from("yes"));
  expect(answers).toEqual([]);
  expect(requests.size).toBe(1);
});

test("without a worker a question waits, and is asked as a new one", () => {
  ask("a");
  chosen = worker("w1");
  requests.retry();
  requests.retry();
  chosen.link.flush();
  expect(asked).toEqual(["w1 1 a"]);
});

test("what a worker that died has not answered is asked again, and says so; its late answer is dropped", () => {
  const first = worker("w1");
  chosen = first;
  ask("a");
  ask("b");
  requests.answered(first, 1, Buffer.from("yes"));
  chosen = undefined;
  requests.lost(first, "left");
  chosen = worker("w2");
  requests.retry();
  chosen.link.flush();
  expect(asked.slice(2)).toEqual(["w2 2 b again"]);
  requests.answered(first, 2, Buffer.from("late"));
  requests.answered(chosen, 2, Buffer.from("yes"));
  expect(answers).toEqual(["a: yes", "b: yes"]);
});

test("a question that nobody answers in time is over; one that nobody waits for is forgotten", () => {
  let isGone = false;
  ask("a");
  ask("b", () => isGone);
  now += timeoutMs;
  requests.sweep();
  expect([requests.size, answers]).toEqual([2, []]);
  isGone = true;
  requests.sweep();
  expect([requests.size, answers]).toEqual([1, []]);
  now += 1;
  requests.sweep();
  expect([requests.size, answers]).toEqual([0, ["a: too late"]]);
});

test("a question that three workers died with is given up, and no other; what parts has not died of it", () => {
  const lost: Loss[] = ["exited", "left", "unreachable", "left", "exited"];
  chosen = worker("w0");
  ask("a");
  for (const [index, how] of lost.entries()) {
    expect(answers).toEqual([]);
    const before = chosen as WorkerPeer;
    chosen = worker(`w${index + 1}`);
    requests.lost(before, how);
    chosen.link.flush();
  }
  expect(answers).toEqual(["a: poison"]);
  expect(asked.map((text) => text.split(" ")[0])).toEqual(["w0", "w1", "w2", "w3", "w4"]);
  ask("b");
  expect(requests.size).toBe(1);
});

test("the worker of a question that is over is told that nobody waits", () => {
  const first = worker("w1");
  chosen = first;
  ask("a");
  now += timeoutMs + 1;
  requests.sweep();
  first.link.flush();
  expect(asked).toEqual(["w1 1 a", "w1 1 "]);
});

/** Runs all slices. @returns the most that one of them has asked `worker`. */
function runSlices(worker: WorkerPeer): number {
  let most = 0;
  for (let run = later.shift(); run !== undefined; run = later.shift()) {
    const before = asked.length;
    run();
    worker.link.flush();
    most = Math.max(most, asked.length - before);
  }
  return most;
}

test("thousands of a worker that was lost are asked again in slices, the oldest first", () => {
  const first = worker("w1");
  const second = worker("w2");
  const names = Array.from({ length: 3_000 }, (_, index) => String(index));
  chosen = first;
  for (const name of names) ask(name);
  asked = [];
  askMs = 1;
  chosen = second;
  requests.lost(first, "exited");
  second.link.flush();
  expect([asked.length, later.length]).toEqual([5, 1]);
  // The pass is under way: no second one.
  requests.retry();
  expect([asked.length, later.length]).toEqual([5, 1]);
  expect(runSlices(second)).toBe(5);
  expect(asked).toEqual(names.map((name, index) => `w2 ${index + 1} ${name} again`));
});

test("a worker that is lost between two slices: what it was just asked comes first again", () => {
  const [first, second, third] = [worker("w1"), worker("w2"), worker("w3")];
  chosen = first;
  for (let index = 0; index < 8; index++) ask(String(index));
  asked = [];
  askMs = 1;
  chosen = second;
  requests.lost(first, "exited");
  chosen = third;
  requests.lost(second, "exited");
  runSlices(third);
  expect(asked).toEqual(Array.from({ length: 8 }, (_, index) => `w3 ${index + 1} ${index} again`));
});

test("what cannot be asked again is told of, waits on, and concerns no other", () => {
  const first = worker("w1");
  chosen = first;
  for (const name of ["a", "b", "c"]) ask(name);
  const second = worker("w2");
  asked = [];
  chosen = second;
  const bug = new Error("oops");
  const { append } = second.link;
  second.link.append = (header, payload) => {
    if (header.slot === 2) throw bug;
    return append.call(second.link, header, payload);
  };
  requests.lost(first, "exited");
  second.link.flush();
  expect([asked, bugs, requests.size]).toEqual([["w2 1 a again", "w2 3 c again"], [bug], 3]);
});
