import { beforeEach, expect, test } from "vitest";
import { FileGuard } from "./file-guard.ts";

let limit: number;

let now: number;
/** Files of others, and connections among them. */
let others: number;
let connections: number;
let isTaken: boolean;
let told: string[];
let held: Set<number>;
let guard: FileGuard;

const files = {
  get limit() {
    return limit;
  },
  count: async () => (others + held.size >= limit ? undefined : others + held.size),
  open: () => {
    if (others + held.size >= limit) return undefined;
    const file = Math.max(2, ...held) + 1;
    held.add(file);
    return file;
  },
  close: (file: number) => void held.delete(file),
};

beforeEach(() => {
  now = 0;
  limit = 1_024;
  others = 30;
  connections = 0;
  isTaken = false;
  told = [];
  held = new Set();
  guard = new FileGuard({
    files,
    now: () => now,
    connections: () => connections,
    stopListening: () => told.push("deaf"),
    listenAgain: async () => {
      if (isTaken) throw new Error("taken");
      told.push("listens");
    },
    log: { warn: () => told.push("full"), info: () => told.push("room") },
  });
});

test("newcomers are refused when 64 files are left, also before it was looked again", async () => {
  await guard.step();
  expect([guard.isFull, held.size]).toEqual([false, 32]);
  connections = limit - 30 - 32 - 64;
  expect(guard.isFull).toBe(false);
  connections++;
  expect(guard.isFull).toBe(true);
  others += connections;
  await guard.step();
  expect([guard.isFull, guard.isListening, told]).toEqual([true, true, ["full"]]);
  others -= 10;
  connections -= 10;
  await guard.step();
  expect([guard.isFull, told]).toEqual([false, ["full", "room"]]);
});

test("when next to none are left nobody listens, and what was held is free for others", async () => {
  others = limit - 32;
  await guard.step();
  expect([guard.isFull, guard.isListening, held.size, told]).toEqual([true, false, 0, ["deaf", "full"]]);
});

test("it listens again when there is room for more than a few, a second later at the earliest", async () => {
  others = limit;
  await guard.step();
  others = limit - 64;
  await guard.step();
  now = 1_000;
  await guard.step();
  expect([guard.isListening, held.size]).toEqual([true, 32]);
  others = limit - 63;
  await guard.step();
  expect(guard.isListening).toBe(true);
  others = limit - 47;
  await guard.step();
  now = 2_000;
  await guard.step();
  expect([guard.isListening, held.size, told]).toEqual([false, 0, ["deaf", "full", "listens", "deaf"]]);
});

test("where the port is taken meanwhile, it tries again", async () => {
  others = limit;
  await guard.step();
  others = 30;
  now = 1_000;
  isTaken = true;
  await guard.step();
  expect([guard.isListening, held.size]).toEqual([false, 0]);
  now = 2_000;
  isTaken = false;
  await guard.step();
  expect([guard.isListening, held.size, told]).toEqual([true, 32, ["deaf", "full", "listens", "room"]]);
});

test("who fills it again and again is told of once a minute", async () => {
  for (const second of [0, 10, 20, 61]) {
    now = second * 1_000;
    others = limit - 90;
    await guard.step();
    others = 30;
    await guard.step();
  }
  expect(told).toEqual(["full", "room", "full", "room"]);
});

test.each([128, 256, 1_024])(
  "with %i files, who is full of clients listens again when others have gone, to tell newcomers so",
  async (files) => {
    limit = files;
    await guard.step();
    while (!guard.isFull) connections++;
    others += connections;
    const full = others;
    others = limit;
    await guard.step();
    expect(guard.isListening).toBe(false);
    others = full;
    now = 1_000;
    await guard.step();
    expect([guard.isListening, guard.isFull]).toEqual([true, true]);
  },
);
