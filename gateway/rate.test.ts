import fc from "fast-check";
import { expect, test } from "vitest";
import { burstSeconds, isExceeded, use } from "./rate.ts";

test("lets a burst through, and then as much as the rate allows", () => {
  const usage = { messages: 0 };
  const at = (now: number) => use(usage, "messages", 1, 2, now);
  const burst = Array.from({ length: 20 }, () => at(1_000));
  // Five seconds' worth, and the one that is larger than what is left.
  expect(burst.filter(Boolean).length).toBe(11);
  expect(isExceeded(usage, "messages", 1_000)).toBe(true);
  expect([at(1_499), at(1_500), at(1_501), at(2_000)]).toEqual([false, true, false, true]);
});

test("without a limit nothing is refused", () => {
  const usage = { bytes: 0 };
  for (let count = 0; count < 100; count++) expect(use(usage, "bytes", 1e9, Number.POSITIVE_INFINITY, 0)).toBe(true);
});

test("never lets more through than the burst, the rate, and the last one", () => {
  const event = fc.record({ afterMs: fc.nat(2_000), amount: fc.integer({ min: 1, max: 100 }) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), fc.integer({ min: 1, max: 50 }), (events, perSecond) => {
      const usage = { sent: 0 };
      let [now, taken] = [0, 0];
      for (const { afterMs, amount } of events) {
        now += afterMs;
        if (use(usage, "sent", amount, perSecond, now)) taken += amount;
      }
      expect(taken).toBeLessThanOrEqual(perSecond * (burstSeconds + now / 1_000) + 100 + 1e-6);
    }),
  );
});
