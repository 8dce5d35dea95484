import { beforeEach, describe, expect, test } from "vitest";
import { toWorker } from "../protocol/records.ts";
import type { Socket } from "./connection.ts";
import { Connection } from "./connection.ts";
import { ConnectionDrain } from "./connection-drain.ts";
import { ConnectionEvent } from "./event.ts";

let nowMs: number;
let connections: Set<Connection>;
let closed: string[];
let batches: Array<[told: number, left: number]>;
let hasPeer: boolean;
/** What looking at a connection takes, and what closing one does. */
let costMs: number;

beforeEach(() => {
  nowMs = 1_000;
  connections = new Set();
  closed = [];
  batches = [];
  hasPeer = true;
  costMs = 0;
});

function open(count: number): Connection[] {
  const opened = Array.from({ length: count }, () => {
    const slot = connections.size;
    const about = { path: "/", query: "", ip: "", user: undefined, subprotocol: "", state: undefined };
    const connection = new Connection({ ...about, slot, epoch: 0, id: `c${slot}` });
    connection.socket = {} as Socket;
    connections.add(connection);
    return connection;
  });
  return opened;
}

function draining(limits = { batch: 2, pauseMs: 100, closeMs: 1_000 }): ConnectionDrain {
  return new ConnectionDrain({
    now: () => nowMs,
    connections: all,
    open: () => [...connections].filter(({ socket }) => socket !== undefined).length,
    hasPeer: () => hasPeer,
    limits,
    close: (connection, code) => {
      nowMs += costMs;
      connection.socket = undefined;
      closed.push(`${connection.id} ${code}`);
    },
    onBatch: (told, left) => batches.push([told, left]),
  });
}

function* all(): Generator<Connection, void> {
  for (const connection of connections) {
    nowMs += costMs;
    yield connection;
  }
}

function step(leaving: ConnectionDrain, times: number): void {
  for (let count = 0; count < times; count++) {
    leaving.step();
    nowMs += 10;
  }
}

/** It has a turn under way. */
function begin(connection: Connection | undefined): void {
  connection?.events.push(new ConnectionEvent(toWorker.message, new Uint8Array(0), false));
}

test("closes a batch, waits, and closes the next", () => {
  open(5);
  const leaving = draining();
  step(leaving, 10);
  expect(closed).toEqual(["c0 gateway.restarts", "c1 gateway.restarts"]);
  step(leaving, 10);
  expect(closed).toHaveLength(4);
  step(leaving, 10);
  expect(closed).toHaveLength(5);
  expect(batches).toEqual([
    [2, 3],
    [2, 1],
    [1, 0],
  ]);
});

test("closes a connection only when its turn has committed, and has it take nothing more; others do not wait for it", () => {
  const [first, second, third] = open(3);
  begin(first);
  const leaving = draining();
  step(leaving, 5);
  expect([first?.intake, second?.intake, third?.intake]).toEqual(["closing", "closing", "open"]);
  expect(closed).toEqual(["c1 gateway.restarts"]);
  step(leaving, 10);
  expect(closed).toEqual(["c1 gateway.restarts", "c2 gateway.restarts"]);
  first?.events.pop();
  step(leaving, 1);
  expect(closed).toHaveLength(3);
});

test("closes whoever is still there when the time is up, and those who come later at once", () => {
  const [first] = open(1);
  begin(first);
  const leaving = draining();
  step(leaving, 100);
  expect(closed).toEqual([]);
  step(leaving, 1);
  expect(closed).toEqual(["c0 gateway.restarts"]);
  open(3);
  step(leaving, 3);
  expect(closed).toHaveLength(4);
});

test("makes batches larger where the last one would be late", () => {
  open(50);
  const leaving = draining({ batch: 2, pauseMs: 100, closeMs: 500 });
  step(leaving, 50);
  expect(closed).toHaveLength(50);
  expect(batches).toEqual([
    [10, 40],
    [10, 30],
    [10, 20],
    [10, 10],
    [10, 0],
  ]);
});

test("without another gateway all leave at once, with another code; and so do the rest when the other one ends, too", () => {
  open(4);
  const leaving = draining();
  step(leaving, 1);
  hasPeer = false;
  step(leaving, 3);
  expect(closed).toEqual(["c0 gateway.restarts", "c1 gateway.restarts", "c2 gateway.ends", "c3 gateway.ends"]);
});

test("a client that leaves by itself is not closed, and whoever is let in meanwhile is", () => {
  const [first] = open(2);
  begin(first);
  const leaving = draining();
  step(leaving, 1);
  if (first !== undefined) first.socket = undefined;
  open(1);
  step(leaving, 20);
  expect(closed).toEqual(["c1 gateway.restarts", "c2 gateway.restarts"]);
});

describe("however many there are, a step holds the event loop up for one slice", () => {
  function longestStep(leaving: ConnectionDrain): number {
    let longest = 0;
    for (let isBehind = true; isBehind; ) {
      const before = nowMs;
      isBehind = leaving.step();
      longest = Math.max(longest, nowMs - before);
    }
    return longest;
  }

  beforeEach(() => {
    costMs = 0.01;
  });

  test("while all are closed at once", () => {
    open(10_000);
    hasPeer = false;
    expect(longestStep(draining())).toBeLessThan(5.1);
    expect(closed).toHaveLength(10_000);
    expect(batches).toEqual([[10_000, 0]]);
  });

  test("while the next batch is looked for behind those that have turns under way", () => {
    for (const connection of open(10_000)) begin(connection);
    open(1);
    const leaving = draining({ batch: 10_000, pauseMs: 0, closeMs: 10_000 });
    expect(longestStep(leaving)).toBeLessThan(5.1);
    expect(longestStep(leaving)).toBeLessThan(5.1);
    expect(closed).toEqual(["c10000 gateway.restarts"]);
  });

  test("while turns of many commit together", () => {
    const opened = open(10_000);
    for (const connection of opened) begin(connection);
    const leaving = draining({ batch: 10_000, pauseMs: 0, closeMs: 10_000 });
    longestStep(leaving);
    for (const connection of opened) connection.events.pop();
    expect(longestStep(leaving)).toBeLessThan(5.1);
    expect(closed).toHaveLength(10_000);
  });
});
