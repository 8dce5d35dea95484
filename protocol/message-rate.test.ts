import { expect, test } from "vitest";
import { parseMessageRate, useOne } from "./message-rate.ts";

test("a rate is a number of messages and a time", () => {
  expect(parseMessageRate("20/10s")).toEqual({ count: 20, ms: 10_000 });
  expect(["1/1ms", "5/2m", "1000000/24h"].map(parseMessageRate)).toEqual([
    { count: 1, ms: 1 },
    { count: 5, ms: 120_000 },
    { count: 1_000_000, ms: 86_400_000 },
  ]);
  const others = [
    "",
    "20",
    "20/s",
    "20/0s",
    "0/10s",
    "-1/1s",
    "1.5/1s",
    "1e3/1s",
    "1000001/1s",
    "1/25h",
    "1/86400001ms",
    "20/10s ",
    "20/10d",
  ];
  expect(others.filter((text) => parseMessageRate(text) !== undefined)).toEqual([]);
});

test("so many pass at once, then one in each step, and a pause earns no more than the same number", () => {
  for (const rate of [
    { count: 20, ms: 10_000 },
    { count: 7, ms: 1_000 },
    { count: 3, ms: 1 },
    { count: 1, ms: 500 },
  ]) {
    let [usedUntil, now] = [0, 123_456.789];
    const pass = () => {
      let passed = 0;
      for (let next = useOne(usedUntil, now, rate); next !== undefined; next = useOne(usedUntil, now, rate)) {
        usedUntil = next;
        passed++;
      }
      return passed;
    };
    expect(pass()).toBe(rate.count);
    for (let step = 0; step < 100; step++) {
      now += rate.ms / rate.count;
      expect(pass()).toBe(1);
    }
    now += 100 * rate.ms;
    expect(pass()).toBe(rate.count);
  }
});
