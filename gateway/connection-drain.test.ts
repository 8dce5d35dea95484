import { beforeEach, expect, test } from "vitest";
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

beforeEach(() => {
  nowMs = 1_000;
  connections = new Set();
  closed = [];
  batches = [];
  hasPeer = true;
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
    connections,
    hasPeer: () => hasPeer,
    limits,
    close: (connection, code) => {
      connection.socket = undefined;
      closed.push(`${connection.id} ${code}`);
    },
    onBatch: (told, left) => batches.push([told, left]),
  });
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
