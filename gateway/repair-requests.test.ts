import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeRepair } from "../protocol/repair.ts";
import { repairRequests } from "./repair-requests.ts";

const seen = fc
  .uniqueArray(fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 64 }), { maxLength: 200, size: "max" })
  .map((gateways) =>
    gateways.filter((name) => !/^\d+$/.test(name) && name !== "__proto__").map((name, index) => [name, index * 2 ** 33] as const),
  );
const lack = fc.record({ topic: fc.string({ unit: "grapheme", maxLength: 50 }), since: fc.double({ noNaN: true }), seen });

test("every request fits, all topics are asked for, once and in order, each with as many of its first gateways as fit", () => {
  fc.assert(
    fc.property(fc.array(lack, { maxLength: 30, size: "max" }), fc.integer({ min: 1_000, max: 20_000 }), (lacks, limitBytes) => {
      const requests = repairRequests(lacks, limitBytes);
      for (const topics of requests) {
        const bytes = encodeRepair({ to: "x".repeat(64), number: Number.MAX_SAFE_INTEGER, topics });
        expect(bytes.length).toBeLessThanOrEqual(limitBytes);
        expect(topics.length).toBeGreaterThan(0);
      }
      const asked = requests.flat();
      expect(asked.map(({ topic, since }) => ({ topic, since }))).toEqual(lacks.map(({ topic, since }) => ({ topic, since })));
      for (const [index, { seen }] of lacks.entries()) {
        const named = Object.entries(asked[index]?.seen ?? {});
        expect(named).toEqual(seen.slice(0, named.length));
        // Only what does not fit into a request of its own.
        if (named.length < seen.length) expect(named.length * 83).toBeGreaterThan(limitBytes - 900);
      }
    }),
    { numRuns: 50 },
  );
});

test("what fits into one request is in one", () => {
  const lacks = Array.from({ length: 10 }, (_, index) => ({ topic: `t${index}`, since: 1, seen: [["g1", 1] as const] }));
  expect(repairRequests(lacks, 4_096)).toHaveLength(1);
  expect(repairRequests([], 4_096)).toEqual([]);
});
