import fc from "fast-check";
import { expect, test } from "vitest";
import { Histogram } from "./histogram.ts";

const anyMs = fc.double({ min: 0.01, max: 10_000_000, noNaN: true });

function of(...durations: number[]): Histogram {
  const histogram = new Histogram();
  for (const ms of durations) histogram.record(ms);
  return histogram;
}

test("a quantile is never too low, and at most 19 % too high", () => {
  fc.assert(
    fc.property(fc.array(anyMs, { minLength: 1, maxLength: 200, size: "max" }), fc.constantFrom(0.5, 0.9, 0.99, 1), (durations, share) => {
      const exact = durations.toSorted((a, b) => a - b)[Math.ceil(share * durations.length) - 1] as number;
      const read = of(...durations).quantile(share);
      // The bucket's border itself is a rounded number.
      expect(read).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
      expect(read).toBeLessThanOrEqual(exact * 2 ** 0.25 * (1 + 1e-9));
    }),
  );
});

test("histograms of several processes add up to that of all", () => {
  fc.assert(
    fc.property(fc.array(anyMs), fc.array(anyMs), (here, there) => {
      const sum = of(...here);
      const other = of(...there);
      sum.add(other.counts, other.longestMs);
      expect(sum).toEqual(of(...here, ...there));
    }),
  );
});

test("nothing recorded reads as 0", () => {
  expect(of().quantile(0.99)).toBe(0);
});

test("no quantile is above the longest, which is exact", () => {
  expect(of(1, 2, 3.3).quantile(1)).toBe(3.3);
  expect(of(1, 2, 3.3).longestMs).toBe(3.3);
});

test.each([0, 0.01, -1])("%d ms is in the first bucket", (ms) => {
  expect(of(ms).counts[0]).toBe(1);
});

test("what is beyond the last bucket is in it, and no process can make it longer", () => {
  const histogram = of(1e12);
  expect(histogram.counts.at(-1)).toBe(1);
  histogram.add(new Array<number>(500).fill(1), 5);
  expect(histogram.counts.length).toBe(128);
});
