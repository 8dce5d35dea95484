import { beforeEach, describe, expect, test } from "vitest";
import { connectionId } from "../protocol/connection-id.ts";
import { packValue, unpackValue } from "../protocol/msgpack.ts";
import { encodeTogether } from "../protocol/together.ts";
import { AppCommands } from "./app-commands.ts";
import { Connection, type Socket } from "./connection.ts";
import type { History } from "./history/history.ts";
import { Members } from "./members.ts";
import { SlotTable } from "./slot-table.ts";
import { TaskFences } from "./task-fences.ts";
import type { Topics } from "./topics.ts";
import { UserConnections } from "./user-connections.ts";
import type { WorkerPeer } from "./worker-peer.ts";

const headAndTail = encodeTogether([
  { data: Buffer.from("head"), isBinary: false },
  { data: Buffer.from("tail"), isBinary: true },
]);

let nowMs: number;
let slots: SlotTable;
let users: UserConnections;
let commands: AppCommands;
let later: Array<() => void>;
let closed: string[];
let sent: string[];
let results: Array<[number: number, result: unknown]>;
let longestMs: number;
let taken: string[];
/** What the history is asked, and what it answers. */
let read: string[];
let stored: () => void;

const worker = {
  link: { append: ({ slot }: { slot: number }, payload: Uint8Array) => void results.push([slot, unpackValue(payload)]) },
} as unknown as WorkerPeer;

beforeEach(() => {
  nowMs = 0;
  slots = new SlotTable();
  later = [];
  closed = [];
  sent = [];
  results = [];
  taken = [];
  longestMs = 0;
  read = [];
  const topics = {
    size: 2,
    publishTogetherElsewhere: (topic: string, _data: Uint8Array, except: readonly string[]) =>
      void sent.push(`elsewhere ${topic} ${except}`),
  } as unknown as Topics;
  const history = {
    outbox: {
      behind: () => false,
      settled: (topic: string) => new Promise<void>((resolve) => (stored = () => resolve(void read.push(`${topic} is stored`)))),
    },
    read: async (topic: string, last: number) => {
      read.push(`${topic} ${last}`);
      return [];
    },
  } as unknown as History;
  users = new UserConnections({ slots, now: () => nowMs, later: (run) => later.push(run) });
  const members = new Members({ wallClock: () => nowMs, limits: { bytes: 0 } });
  commands = new AppCommands({
    slots,
    users,
    members,
    topics,
    history,
    publishHere: (topic, data, isBinary, except) => void sent.push(`${topic} ${Buffer.from(data)} ${isBinary} ${except}`),
    fences: new TaskFences(),
    locks: { take: (_connection, name) => void taken.push(name) },
    connections: () => 3,
  });
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
      users.forget(connection);
    },
    cork: (write: () => void) => write(),
    send: (data: Uint8Array) => void sent.push(`${id} ${Buffer.from(data)}`),
  } as Partial<Socket> as Socket;
  slots.put(connection);
  users.add(connection);
  return connection;
}

function openMany(count: number, user: string): void {
  for (let index = 0; index < count; index++) open(user);
}

function sendToUser(number: number, user: string, text: string): void {
  const body = { kind: "sendToUser", user, data: Buffer.from(text), binary: false };
  measured(() => commands.run(worker, number, Buffer.from(packValue(body))));
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

test("sendToUser reaches all connections of a user, in its order, those as well that open or change hands later", () => {
  openMany(3_000, "ada");
  sendToUser(1, "ada", "first");
  sendToUser(2, "ada", "second");
  open("ada");
  turns();
  expect(results).toEqual([
    [1, 3_000],
    [2, 3_000],
  ]);
  expect(sent.map((text) => text.split(" ")[1])).toEqual([...Array(3_000).fill("first"), ...Array(3_000).fill("second")]);
  expect(longestMs).toBeLessThan(7);

  const bob = open("bob");
  const before = nowMs;
  for (let number = 0; number < 1_000; number++) sendToUser(3, "bob", "hi");
  expect(sent.filter((text) => text.endsWith(" hi"))).toHaveLength(1_000);
  // Nobody else is looked at.
  expect(nowMs - before).toBeLessThan(100);
  slots.free(bob);
  users.forget(bob);
  sendToUser(4, "bob", "gone");
  expect(results.at(-1)).toEqual([4, 0]);
});

test("frames together are sent and published one behind the other; what does not come apart is refused before anybody gets any", () => {
  const [first, second] = [open("ada"), open("ada")];
  const together = { data: headAndTail, binary: false, together: true };
  const run = (body: object) => commands.run(worker, 1, Buffer.from(packValue(body)));
  run({ kind: "send", connection: first.id, ...together });
  expect(sent.splice(0)).toEqual([`${first.id} head`, `${first.id} tail`]);
  run({ kind: "sendToUser", user: "ada", ...together });
  expect(sent.splice(0)).toEqual([first.id, second.id].flatMap((id) => [`${id} head`, `${id} tail`]));
  run({ kind: "publish", topic: "t", except: ["x"], ...together });
  expect(sent.splice(0)).toEqual(["t head false x", "t tail true x", "elsewhere t x"]);
  const broken = { ...together, data: headAndTail.subarray(1) };
  for (const about of [
    { kind: "send", connection: first.id },
    { kind: "sendToUser", user: "ada" },
    { kind: "publish", topic: "t" },
  ]) {
    expect(() => run({ ...about, ...broken })).toThrow("envelope.malformed");
  }
  expect([sent, results.length]).toEqual([[], 3]);
});

test("counts tell how much there is", () => {
  commands.run(worker, 1, Buffer.from(packValue({ kind: "counts" })));
  expect(results).toEqual([[1, { connections: 3, topics: 2 }]]);
});

test("the connections of a user are told in as many answers as it takes", () => {
  openMany(10, "bob");
  openMany(9_000, "ada");
  const ids: string[] = [];
  for (let from: number | undefined = 0, number = 1; from !== undefined; number++) {
    commands.run(worker, number, Buffer.from(packValue({ kind: "userConnections", user: "ada", from })));
    turns();
    const [, answer] = results.at(-1) as [number, { open: Array<{ id: string; user: string }>; next?: number }];
    ids.push(...answer.open.map(({ id }) => id));
    from = answer.next;
  }
  expect(results.length).toBeGreaterThan(1);
  expect(ids).toEqual([...slots.all()].slice(10).map(({ id }) => id));
});

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
    // The index is being made.
    expect([closed.length, results]).toEqual([0, []]);
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

test("a lock is taken behind the commits that are held back: they would give it back", () => {
  const ada = open("ada");
  const held: Array<() => boolean> = [];
  ada.held = held;
  const lock = (number: number, name: string) =>
    commands.run(worker, number, Buffer.from(packValue({ kind: "lock", connection: ada.id, name, waitMs: 0 })));
  lock(1, "a");
  expect(taken).toEqual([]);
  expect(held.map((apply) => apply())).toEqual([false]);
  expect(taken).toEqual(["a"]);
  lock(2, "b");
  slots.free(ada);
  expect(held.pop()?.()).toBe(false);
  expect([taken, results]).toEqual([["a"], [[2, 0]]]);
});

test("history tells also what this gateway had yet to store", async () => {
  commands.run(worker, 1, Buffer.from(packValue({ kind: "history", topic: "room", last: 5 })));
  stored();
  await new Promise((resolve) => setImmediate(resolve));
  expect(read).toEqual(["room is stored", "room 5"]);
  expect(results).toMatchObject([[1, { history: { data: [] } }]]);
});
