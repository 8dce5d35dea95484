import { expect, test, vi } from "vitest";
import { defineHandler } from "../../../worker/handler.ts";
import { type TestConnection, testHandler } from "../../../worker/testing.ts";
import { TickLog } from "./public/tick-log.js";
import ticker, { type Tick } from "./ticker.ts";

const path = "/demos/ticker/";

function ticksOf({ received }: TestConnection<undefined>): Tick[] {
  return received.filter((value): value is Tick => typeof value === "object" && value !== null && "n" in value);
}

function numbersFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

test("ticks are numbered without a gap or a double, over a deploy and for those who come later", async () => {
  const app = await testHandler(ticker);
  const ada = await app.connect(path);
  await vi.waitUntil(() => ticksOf(ada).length >= 2, { timeout: 5_000 });
  await app.deploy(ticker);
  await vi.waitUntil(() => ticksOf(ada).some(({ release }) => release === "2"), { timeout: 5_000 });
  const bob = await app.connect(path);
  const [heard, told] = [ada, bob].map((each) => ticksOf(each).map(({ n }) => n)) as [number[], number[]];

  expect(heard).toEqual(numbersFrom(1, heard.length));
  expect(told).toEqual(heard);
  expect(ada.received.filter((value) => !heard.includes((value as Tick).n))).toEqual(
    ["1", "2"].map((release) => ({ hello: { id: ada.id, release } })),
  );
  // Its task would go on.
  await app.deploy(defineHandler({ path: "/demos/ticker/*" }));
});

/** @returns what the page shows after these numbers; "reconnect" is a new connection. */
function counted(...seen: (number | "reconnect")[]) {
  const log = new TickLog();
  for (const each of seen) {
    if (each === "reconnect") log.reconnected();
    else log.add({ n: each, price: 100, at: 0, worker: "w", release: "1" });
  }
  const { missed, doubled, ticks } = log;
  return { missed, doubled, shown: ticks.map(({ n }) => n) };
}

test("the page counts what is missing and what comes twice", () => {
  expect(counted(7, 8, 9)).toEqual({ missed: 0, doubled: 0, shown: [7, 8, 9] });
  expect(counted(7, 9, 12)).toEqual({ missed: 3, doubled: 0, shown: [7, 9, 12] });
  expect(counted(7, 8, 8, 7, 9)).toEqual({ missed: 0, doubled: 2, shown: [7, 8, 9] });
});

test("what the page is told again after it has reconnected is no double, and fills the gap", () => {
  expect(counted(7, 8, "reconnect", 6, 7, 8, 9, 10)).toEqual({ missed: 0, doubled: 0, shown: [7, 8, 9, 10] });
  expect(counted(7, 8, "reconnect", 11, 12)).toEqual({ missed: 2, doubled: 0, shown: [7, 8, 11, 12] });
  expect(counted(7, "reconnect", 6, 7, 7, 8)).toEqual({ missed: 0, doubled: 1, shown: [7, 8] });
});
