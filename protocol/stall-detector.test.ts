import { beforeEach, expect, test } from "vitest";
import { StallDetector } from "./stall-detector.ts";

const everyMs = 250;

let now: number;
let asked: number;
let stoodStill: number;
/** Ends NATS' standing still, in whichever way. */
let answer: { readonly well: () => void; readonly badly: (reason: Error) => void };
let stalls: StallDetector;

beforeEach(async () => {
  [now, asked, stoodStill] = [50_000, 0, 0];
  stalls = new StallDetector({
    now: () => now,
    askNats: () =>
      new Promise((well, badly) => {
        asked++;
        answer = { well, badly };
      }),
    onStoodStill: () => stoodStill++,
    everyMs,
  });
  check(0);
  await answered();
  stoodStill = 0;
});

function check(afterMs = everyMs): boolean {
  now += afterMs;
  return stalls.check();
}

async function answered(): Promise<void> {
  answer.well();
  await Promise.resolve();
}

test("while NATS answers, everything is heard", async () => {
  for (let round = 0; round < 20; round++) {
    expect(check()).toBe(true);
    await answered();
  }
  expect({ asked, stoodStill }).toEqual({ asked: 21, stoodStill: 0 });
});

test("where this process stood still, what was said waits: not so the next time", async () => {
  check();
  now += 100;
  await answered();
  // NATS' answer is not as old as that.
  expect(check(4 * everyMs - 50)).toBe(false);
  await answered();
  expect(check()).toBe(true);
});

test.each(["well", "badly"] as const)("NATS that stands still is asked once, and told of when it answers %s", async (how) => {
  const heard = Array.from({ length: 10 }, () => check());
  expect(heard).toEqual([true, true, true, true, false, false, false, false, false, false]);
  expect({ asked, stoodStill }).toEqual({ asked: 2, stoodStill: 0 });
  if (how === "well") answer.well();
  else answer.badly(new Error("disconnected"));
  await Promise.resolve();
  expect(stoodStill).toBe(1);
  expect(check()).toBe(true);
});
