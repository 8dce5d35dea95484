import fc from "fast-check";
import { expect, test } from "vitest";
import { connectionId, countOf, gatewayOf, slotOf } from "./connection-id.ts";

const gateway = fc.stringMatching(/^[A-Za-z0-9_]{1,20}$/);

test("a connection's id tells where to find it, and which it was", () => {
  expect(connectionId("g1", 35, 36)).toBe("g1-z-10");
  fc.assert(
    fc.property(gateway, fc.nat(), fc.nat(), (id, slot, count) => {
      const connection = connectionId(id, slot, count);
      expect([gatewayOf(connection), slotOf(connection), countOf(connection)]).toEqual([id, slot, count]);
    }),
  );
});

test("two connections have two ids", () => {
  const place = fc.tuple(gateway, fc.nat(50), fc.nat(50));
  fc.assert(
    fc.property(place, place, (a, b) => {
      expect(connectionId(...a) === connectionId(...b)).toBe(String(a) === String(b));
    }),
  );
});

test.each(["", "g1", "g1-", "-", "g1-!"])("%j is no connection's id", (text) => {
  expect([slotOf(text), countOf(text)]).toEqual([Number.NaN, Number.NaN]);
});

test("what has no - has no gateway", () => {
  expect(gatewayOf("g1")).toBe("");
  expect(gatewayOf("")).toBe("");
});
