// Many who come back at once.

import { expect, test } from "vitest";
import type { App, HistoryEntry } from "../../../handler.ts";
import { FewReads } from "./few-reads.ts";

interface Reading {
  readonly topic: string;
  readonly end: (entries: HistoryEntry[]) => void;
  readonly fail: (error: Error) => void;
}

function stage() {
  const readings: Reading[] = [];
  const history = (topic: string) =>
    new Promise<HistoryEntry[]>((end, fail) => {
      readings.push({ topic, end, fail });
    });
  return { reads: new FewReads(), app: { history } as unknown as App, readings };
}

const later = Date.now() + 3_600_000;
const settled = () => new Promise(setImmediate);

test("16 topics are read at a time; others follow as these end, in their order, also where one fails", async () => {
  const { reads, app, readings } = stage();
  const asked = Array.from({ length: 20 }, (_, index) => reads.read(app, `topic ${index}`, later));
  await settled();
  expect(readings.map(({ topic }) => topic)).toEqual(Array.from({ length: 16 }, (_, index) => `topic ${index}`));
  const failed = expect(asked[3]).rejects.toThrow("away");
  readings[3]?.fail(new Error("away"));
  readings[5]?.end([]);
  await failed;
  await settled();
  expect(readings.slice(16).map(({ topic }) => topic)).toEqual(["topic 16", "topic 17"]);
  for (let index = 0; index < 20; index++) {
    readings[index]?.end([]);
    await settled();
  }
  expect(await Promise.allSettled(asked)).toHaveLength(20);
});

test("a topic that waits to be read is read once for all who ask; one that is being read, once more", async () => {
  const { reads, app, readings } = stage();
  const first = [reads.read(app, "all", later), reads.read(app, "all", later)];
  await settled();
  const second = [reads.read(app, "all", later), reads.read(app, "all", later)];
  await settled();
  expect(readings).toHaveLength(2);
  const [old, next]: HistoryEntry[][] = [[], []];
  readings[0]?.end(old as HistoryEntry[]);
  readings[1]?.end(next as HistoryEntry[]);
  const [a, b, c, d] = await Promise.all([...first, ...second]);
  expect([a === old, b === old, c === next, d === next]).toEqual([true, true, true, true]);
});

test("what nobody waits for any longer is not read", async () => {
  const { reads, app, readings } = stage();
  for (let index = 0; index < 16; index++) void reads.read(app, `topic ${index}`, later);
  const late = Date.now() - 1;
  const tooLate = [reads.read(app, "gone", late), reads.read(app, "gone", late), reads.read(app, "wanted", late)];
  const inTime = reads.read(app, "wanted", later);
  await settled();
  readings[0]?.end([]);
  await settled();
  expect(readings.slice(16).map(({ topic }) => topic)).toEqual(["wanted"]);
  readings[16]?.end([]);
  expect(await Promise.all([...tooLate, inTime])).toEqual([undefined, undefined, [], []]);
});
