import { beforeEach, describe, expect, test } from "vitest";
import { connectionId } from "../protocol/connection-id.ts";
import { packValue, unpackValue } from "../protocol/msgpack.ts";
import { AppCommands } from "./app-commands.ts";
import { Connection, type Socket } from "./connection.ts";
import { SlotTable } from "./slot-table.ts";
import type { Topics } from "./topics.ts";
import type { WorkerPeer } from "./worker-peer.ts";

let nowMs: number;
let slots: SlotTable;
let commands: AppCommands;
let later: Array<() => void>;
let closed: string[];
let results: Array<[number: number, result: unknown]>;
let longestMs: number;

const worker = {
  link: { append: ({ slot }: { slot: number }, payload: Uint8Array) => void results.push([slot, unpackValue(payload)]) },
} as unknown as WorkerPeer;

beforeEach(() => {
  nowMs = 0;
  slots = new SlotTable();
  later = [];
  closed = [];
  results = [];
  longestMs = 0;
  const topics = {} as Topics;
  commands = new AppCommands({ slots, topics, publishHere: () => undefined, now: () => nowMs, later: (run) => later.push(run) });
});

function open(user: string): Connection {
  const { slot, epoch } = slots.take();
  const id = connectionId("g", slot, slots.opened);
  const connection = new Connection({ slot, epoch, id, path: "/", query: "", ip: "", user, subprotocol: "", state: undefined });
  // What looking at a connection takes.
  Object.defineProperty(connection, "user", {
    get: () => {
      nowMs += 0.01;
      return user;
    },
  });
  connection.socket = {
    end: (code: number, reason: string) => {
      closed.push(`${id} ${code} ${reason}`);
      connection.socket = undefined;
    },
  } as Partial<Socket> as Socket;
  slots.put(connection);
  return connection;
}

function openMany(count: number, user: string): void {
  for (let index = 0; index < count; index++) open(user);
}

function closeUser(number: number, user: string): void {
  measured(() => commands.run(worker, number, Buffer.from(packValue({ kind: "closeUser", user, code: 3001, reason: `by ${number}` }))));
}

/** The next turn of the event loop. */
function turn(): void {
  for (const run of later.splice(0)) measured(run);
}

function turns(): void {
  while (later.length > 0) turn();
}

function measured(action: () => void): void {
  const before = nowMs;
  action();
  longestMs = Math.max(longestMs, nowMs - before);
}

test("closeUser closes all connections of a user, and is answered at once where they are few", () => {
  openMany(2, "ada");
  open("bob");
  closeUser(1, "ada");
  expect(closed).toEqual(["g-0-0 3001 by 1", "g-1-1 3001 by 1"]);
  expect(results).toEqual([[1, 2]]);
  closeUser(2, "ada");
  expect(results).toEqual([
    [1, 2],
    [2, 0],
  ]);
});

describe("closeUser among many connections", () => {
  test("holds the event loop up for one slice at a time, and is answered when it has looked at all", () => {
    open("ada");
    openMany(5_000, "bob");
    open("ada");
    closeUser(1, "ada");
    expect([closed.length, results]).toEqual([1, []]);
    turns();
    expect([closed.length, results]).toEqual([2, [[1, 2]]]);
    expect(longestMs).toBeLessThan(7);
  });

  test("looks at all once for those that are asked for meanwhile", () => {
    openMany(5_000, "ada");
    openMany(3, "bob");
    openMany(4, "cyd");
    for (let number = 1; number <= 50; number++) closeUser(number, ["zoe", "bob", "cyd"][number % 3] as string);
    turns();
    expect(new Map(results as Array<[number, number]>)).toEqual(
      new Map(Array.from({ length: 50 }, (_, index) => [index + 1, index === 0 ? 3 : index === 1 ? 4 : 0])),
    );
    expect(nowMs).toBeLessThan(110);
    expect(longestMs).toBeLessThan(7);
  });

  test("leaves those alone that have opened after it was asked, wherever they are", () => {
    const left = open("bob");
    openMany(5_000, "ada");
    closeUser(1, "ada");
    turn();
    slots.free(left);
    expect(open("ada").slot).toBe(0);
    expect(open("ada").slot).toBe(5_001);
    closeUser(2, "ada");
    open("ada");
    turns();
    expect(results).toEqual([
      [1, 5_000],
      [2, 2],
    ]);
    expect(closed).toHaveLength(5_002);
  });
});
