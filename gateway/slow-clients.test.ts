import { beforeEach, expect, test } from "vitest";
import { Connection } from "./connection.ts";
import { SlowClients } from "./slow-clients.ts";

let time: number;
let closed: Array<readonly [id: string, code: string]>;
let connections: Connection[];
let slow: SlowClients;

beforeEach(() => {
  time = 0;
  closed = [];
  connections = [];
  slow = new SlowClients({
    connections,
    now: () => time,
    limits: { totalBytes: 100, waitMs: 1_000 },
    onTooSlow: (client, code) => {
      closed.push([client.id, code]);
      client.socket = undefined;
    },
  });
});

/** A connection for which `bytes` wait. */
function waiting(id: string, bytes: number): { waitingBytes: number; isAway?: boolean } {
  const connection = new Connection({
    ...{ slot: connections.length, epoch: 0, id, path: "/a", query: "", ip: "" },
    ...{ user: undefined, subprotocol: "", state: undefined },
  });
  const socket = { waitingBytes: bytes };
  connection.socket = socket as unknown as NonNullable<Connection["socket"]>;
  connections.push(connection);
  return socket;
}

test("within the bounds nobody is closed", () => {
  waiting("a", 60);
  waiting("b", 40);
  slow.sweep();
  expect([closed, slow.bytes, slow.size]).toEqual([[], 100, 2]);
});

test("beyond the total those for which most waits are closed, until the rest is within it", () => {
  waiting("a", 30);
  waiting("b", 90);
  waiting("c", 80);
  waiting("d", 60);
  slow.sweep();
  expect(closed).toEqual([
    ["b", "backpressure.total"],
    ["c", "backpressure.total"],
  ]);
  expect([slow.bytes, slow.size]).toEqual([90, 2]);
});

test("one for which something waits too long is closed, unless nothing has waited in between", () => {
  const a = waiting("a", 1);
  waiting("b", 1);
  slow.sweep();
  time = 500;
  a.waitingBytes = 0;
  slow.sweep();
  a.waitingBytes = 1;
  time = 999;
  slow.sweep();
  expect(closed).toEqual([]);
  time = 1_000;
  slow.sweep();
  expect(closed).toEqual([["b", "backpressure.tooLong"]]);
  time = 1_999;
  slow.sweep();
  expect(closed).toHaveLength(2);
});

test("connections are asked in turn, so that very many cost no sweep more than ten thousand", () => {
  for (let index = 0; index < 25_000; index++) waiting(String(index), 0);
  const last = connections.at(-1)?.socket as unknown as { waitingBytes: number };
  last.waitingBytes = 101;
  slow.sweep();
  slow.sweep();
  expect(closed).toEqual([]);
  slow.sweep();
  expect(closed).toEqual([["24999", "backpressure.total"]]);
});

test("one that fetches what waits, and is away, is not slow: its time begins when it is back", () => {
  const a = waiting("a", 1);
  a.isAway = true;
  for (time = 0; time <= 10_000; time += 250) slow.sweep();
  expect([closed, slow.bytes]).toEqual([[], 1]);
  a.isAway = false;
  time += 500;
  slow.sweep();
  expect(closed).toEqual([]);
  time += 500;
  slow.sweep();
  expect(closed).toEqual([["a", "backpressure.tooLong"]]);
});

test("one that is no connection of this gateway has the same bounds, with all others, from when it is noticed", () => {
  waiting("a", 60);
  const socket = waiting("guest", 70);
  const guest = connections.pop() as Connection;
  slow.notice(guest);
  slow.sweep();
  expect([closed.splice(0), slow.bytes]).toEqual([[["guest", "backpressure.total"]], 60]);
  guest.socket = socket as unknown as NonNullable<Connection["socket"]>;
  socket.waitingBytes = 1;
  time = 600;
  slow.notice(guest);
  time = 1_000;
  slow.notice(guest);
  slow.sweep();
  expect(closed.splice(0)).toEqual([["a", "backpressure.tooLong"]]);
  time = 1_600;
  slow.sweep();
  expect([closed, slow.size]).toEqual([[["guest", "backpressure.tooLong"]], 0]);
});
