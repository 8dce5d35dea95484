import { beforeEach, expect, test } from "vitest";
import { Publishers, silenceMs } from "./known-publishers.ts";

let publishers: Publishers;
let now: number;

beforeEach(() => {
  publishers = new Publishers();
  now = 5_000_000;
  publishers.listened(now, false);
});

function listen(ms: number, { isDeaf = false, stepMs = 1_000 } = {}): string[] {
  const gone: string[] = [];
  for (let left = ms; left > 0; left -= stepMs) {
    now += Math.min(left, stepMs);
    publishers.listened(now, isDeaf);
    gone.push(...publishers.takeGone());
  }
  return gone;
}

test("one that has ended is gone after a minute, once", () => {
  for (const gateway of ["a", "b"]) publishers.meet(gateway);
  publishers.ended("a");
  expect(listen(59_999)).toEqual([]);
  // Said twice: by itself and by its supervisor.
  publishers.ended("a");
  expect(listen(1)).toEqual(["a"]);
  expect(listen(120_000)).toEqual([]);
  expect(publishers.size).toBe(1);
});

test("the end of one that nothing is known of is no news", () => {
  publishers.ended("w1");
  expect(publishers.size).toBe(0);
});

test("one that is heard lives, whatever was said of it, and however little it publishes", () => {
  publishers.meet("a");
  publishers.ended("a");
  listen(30_000);
  publishers.hear("a");
  expect(listen(silenceMs - 1)).toEqual([]);
  publishers.meet("a");
  expect(listen(1), "to meet it again is no word of it").toEqual(["a"]);
});

test("silence does not count while nobody could be heard: without NATS, and where this process has stood still", () => {
  publishers.meet("a");
  publishers.meet("b");
  publishers.ended("b");
  expect(listen(2 * silenceMs, { isDeaf: true })).toEqual([]);
  expect(listen(5 * silenceMs, { stepMs: silenceMs })).toEqual([]);
  expect(listen(60_000)).toEqual(["b"]);
  expect(listen(silenceMs - 60_000)).toEqual(["a"]);
});
