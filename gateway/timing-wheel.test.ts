import fc from "fast-check";
import { expect, test } from "vitest";
import { type Bucket, TimingWheel, usualTickMs as tickMs } from "./timing-wheel.ts";

function taken(wheel: TimingWheel<string>, now: number): string[] {
  return wheel.take(now).flatMap(({ items }) => [...items]);
}

test("an item is due once, with the first tick after its time", () => {
  const wheel = new TimingWheel<string>();
  wheel.add("a", 10 * tickMs + 1);
  expect(taken(wheel, 10 * tickMs + 1)).toEqual([]);
  expect(taken(wheel, 11 * tickMs - 1)).toEqual([]);
  expect(taken(wheel, 11 * tickMs)).toEqual(["a"]);
  expect(taken(wheel, 20 * tickMs)).toEqual([]);
});

test("what is past when it is added is due at once", () => {
  const wheel = new TimingWheel<string>();
  taken(wheel, 100 * tickMs);
  wheel.add("a", 1);
  expect(taken(wheel, 100 * tickMs)).toEqual(["a"]);
  expect(taken(wheel, 200 * tickMs)).toEqual([]);
});

test("a clock that is put back by an hour makes nothing late, whether it was looked at before or not", () => {
  const wheel = new TimingWheel<string>();
  const hour = 3_600_000;
  taken(wheel, hour);
  wheel.add("as it was", hour + 10_000);
  wheel.add("unnoticed", 10_000);
  expect(taken(wheel, 0)).toEqual([]);
  wheel.add("noticed", 10_000);
  expect(taken(wheel, 9_999)).toEqual([]);
  expect(taken(wheel, 10_000)).toEqual(["unnoticed", "noticed"]);
  expect(taken(wheel, hour + 9_999)).toEqual([]);
  expect(taken(wheel, hour + 10_000)).toEqual(["as it was"]);
});

test("a clock that leaps by fifty years takes no time, and leaves nothing behind", () => {
  const wheel = new TimingWheel<string>();
  const years = 50 * 365 * 24 * 3_600_000;
  taken(wheel, 0);
  wheel.add("later", years + tickMs);
  wheel.add("second", 2 * tickMs);
  wheel.add("first", tickMs);
  const before = performance.now();
  expect(taken(wheel, years)).toEqual(["first", "second"]);
  expect(performance.now() - before).toBeLessThan(1_000);
  expect(taken(wheel, years + tickMs)).toEqual(["later"]);
});

test("whatever is added, removed and taken, and however the clock is put: each item is due once, and neither early nor late", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("add" as const), at: fc.nat(5_000) }),
    fc.record({ do: fc.constant("remove" as const), at: fc.nat(50) }),
    fc.record({ do: fc.constant("take" as const), at: fc.nat(700) }),
    fc.record({ do: fc.constant("put the clock" as const), at: fc.nat(5_000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const wheel = new TimingWheel<number>();
      const open = new Map<number, { at: number; bucket: Bucket<number> }>();
      let now = 0;
      let next = 0;
      const take = () => {
        for (const item of wheel.take(now).flatMap(({ items }) => [...items])) {
          expect(open.get(item)?.at).toBeLessThanOrEqual(now);
          expect(open.delete(item)).toBe(true);
        }
        for (const { at } of open.values()) expect(Math.ceil(at / tickMs)).toBeGreaterThan(Math.floor(now / tickMs));
      };
      for (const { do: what, at } of steps) {
        if (what === "add") open.set(++next, { at, bucket: wheel.add(next, at) });
        const removed = what === "remove" ? open.get(at) : undefined;
        if (removed !== undefined) {
          wheel.remove(at, removed.bucket);
          open.delete(at);
        }
        if (what === "put the clock") now = at;
        if (what !== "take") continue;
        now += at;
        take();
      }
      now = 10_000;
      take();
      expect(open.size).toBe(0);
    }),
  );
});
