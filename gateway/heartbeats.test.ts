import { beforeEach, expect, test } from "vitest";
import type { Heartbeat } from "../protocol/heartbeat.ts";
import { packValue } from "../protocol/msgpack.ts";
import { Connection, type Socket } from "./connection.ts";
import { Heartbeats } from "./heartbeats.ts";

let nowMs: number;
let ticks: Array<{ at: number; run: () => void }>;
/** What sockets were told: when, whose, what. */
let log: string[];
let heartbeats: Heartbeats;
let slots: number;

beforeEach(() => {
  nowMs = 1_000;
  slots = 0;
  [ticks, log] = [[], []];
  heartbeats = new Heartbeats({
    now: () => nowMs,
    later: (run) => run(),
    after: (ms, run) => void ticks.push({ at: nowMs + ms, run }),
    onBug: ({ id }) => void log.push(`${id} bug`),
  });
});

const pingPong: Heartbeat = { every: 1_000, send: "2", expect: "3", within: 500, close: { code: 4000, reason: "ping timeout" } };

function open(): Connection {
  const slot = slots++;
  const about = { id: `c${slot}`, path: "/", query: "", ip: "", user: undefined, subprotocol: "", state: undefined };
  const connection = new Connection({ slot, epoch: 0, ...about });
  connection.socket = {
    send: (data: Uint8Array, isBinary: boolean) =>
      void log.push(`${nowMs} ${about.id} ${isBinary ? "binary" : "text"} ${Buffer.from(data)}`),
    end: (code: number, reason: string) => {
      log.push(`${nowMs} ${about.id} end ${code} ${reason}`);
      heartbeats.forget(connection);
      connection.socket = undefined;
    },
  } as Partial<Socket> as Socket;
  return connection;
}

function set(connection: Connection, heartbeat: Heartbeat | undefined): void {
  heartbeats.set(connection, heartbeat === undefined ? Buffer.alloc(0) : Buffer.from(packValue(heartbeat)));
}

function says(connection: Connection, message: string | Uint8Array): boolean {
  return heartbeats.heard(connection, Buffer.from(message), typeof message !== "string");
}

/** Time passes, and what waits for it runs when it is due. */
function pass(ms: number): void {
  const until = nowMs + ms;
  for (let next = ticks[0]; next !== undefined && next.at <= until; next = ticks[0]) {
    ticks.shift();
    nowMs = Math.max(nowMs, next.at);
    next.run();
  }
  nowMs = until;
}

/** The process stands still, and then runs what has become due. */
function standStill(ms: number): void {
  nowMs += ms;
  ticks.shift()?.run();
}

function taken(): string[] {
  return log.splice(0);
}

test("the next one is sent so long after the answer; without an answer the connection is closed as it was said", () => {
  const connection = open();
  set(connection, pingPong);
  pass(1_000);
  expect(taken()).toEqual(["2000 c0 text 2"]);
  pass(400);
  expect(says(connection, "3")).toBe(true);
  pass(990);
  expect(taken()).toEqual([]);
  pass(10);
  expect(taken()).toEqual(["3400 c0 text 2"]);
  pass(499);
  expect(taken()).toEqual([]);
  pass(20);
  expect(taken()).toEqual(["3910 c0 end 4000 ping timeout"]);
  expect([heartbeats.size, heartbeats.counters]).toEqual([0, { sent: 2, unanswered: 1 }]);
  pass(10_000);
  expect([taken(), ticks]).toEqual([[], []]);
});

test("a longer message answers and goes on; one that begins otherwise, or is of the other kind, does not answer", () => {
  const [first, second] = [open(), open()];
  set(first, pingPong);
  set(second, pingPong);
  pass(1_000);
  taken();
  expect(says(first, "3probe")).toBe(false);
  expect(says(second, "4message")).toBe(false);
  expect(says(second, Buffer.from("3"))).toBe(false);
  expect(says(second, "")).toBe(false);
  pass(520);
  expect(taken()).toEqual(["2510 c1 end 4000 ping timeout"]);
  pass(480);
  expect(taken()).toEqual(["3000 c0 text 2"]);
});

test("an answer that nobody waits for is for no handler, either, and puts nothing off", () => {
  const connection = open();
  set(connection, pingPong);
  pass(900);
  expect(says(connection, "3")).toBe(true);
  pass(100);
  expect(taken()).toEqual(["2000 c0 text 2"]);
});

test("one without an answer is sent again and again, whatever comes", () => {
  const connection = open();
  set(connection, { every: 100, send: new Uint8Array([104]) });
  expect(says(connection, "h")).toBe(false);
  pass(320);
  expect(taken()).toEqual(["1100 c0 binary h", "1200 c0 binary h", "1300 c0 binary h"]);
});

test("another one takes its place, with its own time; none ends it, and so does the socket's close", () => {
  const [first, second, third] = [open(), open(), open()];
  for (const connection of [first, second, third]) set(connection, pingPong);
  pass(1_100);
  taken();
  set(first, { every: 700, send: "h" });
  set(second, undefined);
  heartbeats.forget(third);
  third.socket = undefined;
  set(third, pingPong);
  expect(heartbeats.size).toBe(1);
  expect([says(first, "3"), says(second, "3"), says(third, "3")]).toEqual([false, false, false]);
  pass(1_000);
  expect(taken()).toEqual(["2800 c0 text h"]);
});

test("after the gateway has stood still, what has arrived meanwhile is read before anybody is closed", () => {
  const [lively, silent] = [open(), open()];
  set(lively, pingPong);
  set(silent, pingPong);
  pass(1_000);
  taken();
  standStill(30_000);
  expect(says(lively, "3")).toBe(true);
  pass(20);
  expect(taken()).toEqual(["32010 c1 end 4000 ping timeout"]);
});

/** Its messages come by requests. @param unansweredSince When the oldest came that no worker has answered. */
function byRequests(connection: Connection, unansweredSince: () => number): void {
  Object.assign(connection.socket as Socket, { unansweredSince });
}

test("where requests bring the answers, one that came in time and waits for a worker puts the end off, and one that came later does not", () => {
  const [first, second] = [open(), open()];
  let unansweredSince = 2_100;
  byRequests(first, () => unansweredSince);
  byRequests(second, () => Math.max(2_600, nowMs - 1));
  set(first, pingPong);
  set(second, pingPong);
  pass(1_000);
  taken();
  pass(60_000);
  expect(taken()).toEqual(["2510 c1 end 4000 ping timeout"]);
  expect(says(first, "3")).toBe(true);
  unansweredSince = Number.POSITIVE_INFINITY;
  pass(1_000);
  expect(taken()).toEqual([expect.stringMatching(/ c0 text 2$/)]);
});

test("a client gets the time back for which its request has waited, once: it may have got the heartbeat by that request", () => {
  const connection = open();
  let unansweredSince = 1_900;
  byRequests(connection, () => unansweredSince);
  set(connection, pingPong);
  pass(5_000);
  taken();
  unansweredSince = Number.POSITIVE_INFINITY;
  pass(500);
  expect(taken()).toEqual([]);
  // Its answer waits, too.
  unansweredSince = nowMs;
  pass(5_000);
  expect(taken()).toEqual([]);
  unansweredSince = Number.POSITIVE_INFINITY;
  pass(250);
  expect(taken()).toEqual([expect.stringMatching(/ c0 end 4000 ping timeout$/)]);
});

test("a client that has not fetched the heartbeat, and has no request that would, gets no time back", () => {
  const connection = open();
  let unansweredSince = 1_900;
  byRequests(connection, () => unansweredSince);
  Object.assign(connection.socket as Socket, { isAway: true, waitingBytes: 1 });
  set(connection, pingPong);
  pass(5_000);
  taken();
  unansweredSince = Number.POSITIVE_INFINITY;
  pass(230);
  expect(taken()).toEqual([expect.stringMatching(/ c0 end 4000 ping timeout$/)]);
});

test("where some request always waits for a moment, who does not answer is closed all the same", () => {
  const connection = open();
  byRequests(connection, () => nowMs - 5);
  set(connection, pingPong);
  pass(4_000);
  expect(taken().at(-1)).toMatch(/ c0 end 4000 ping timeout$/);
});

test("a socket that throws costs its own connection only", () => {
  const [first, second] = [open(), open()];
  set(first, { every: 100, send: "h" });
  set(second, { every: 100, send: "h" });
  first.socket = {
    send: () => {
      throw new Error("closed");
    },
  } as Partial<Socket> as Socket;
  pass(100);
  expect(taken()).toEqual(["c0 bug", "1100 c1 text h"]);
});

test("connections that are given the same share it", () => {
  const [first, second] = [open(), open()];
  set(first, pingPong);
  set(second, { ...pingPong });
  expect(first.heartbeat?.settings).toBe(second.heartbeat?.settings);
});
