import { expect, test } from "vitest";
import { ConnectionMeter } from "./connection-meter.ts";
import { Party } from "./parties.ts";
import { meterWith } from "./route-meter.ts";

const most = Number.POSITIVE_INFINITY;
const rate = { count: 3, ms: 3_000 };

function room(messages = most) {
  const passed: string[] = [];
  return {
    at: 1_000,
    passed,
    now() {
      return this.at;
    },
    rates: { connection: { messages, bytes: most, pings: 1 }, addressFactor: most, userFactor: most },
    count: (what: string) => void passed.push(what),
  };
}

function sent(meter: ConnectionMeter, messages: number): number {
  let passed = 0;
  while (passed < messages && meter.message(1)) passed++;
  return passed;
}

test("a connection sends no more than its route allows, each message counted", () => {
  const clock = room();
  const meter = meterWith(new ConnectionMeter(clock, new Party("a"), undefined), rate);
  expect(sent(meter, 3)).toBe(3);
  clock.at += 1_000;
  expect(sent(meter, 2)).toBe(1);
  expect([meter.passed, meter.exceedsOwnRate, clock.passed]).toEqual(["route messages", true, ["route messages"]]);
});

test("messages that one message held count as if each had come by itself", () => {
  const meter = meterWith(new ConnectionMeter(room(), new Party("a"), undefined), rate);
  expect([meter.message(1), meter.moreMessages(2), meter.moreMessages(1), meter.passed]).toEqual([true, true, false, "route messages"]);
});

test("a connection of a route without a limit has the same meter as before", () => {
  const meter = new ConnectionMeter(room(), new Party("a"), undefined);
  expect(meterWith(meter, undefined)).toBe(meter);
});

test("another worker of the same release changes nothing; a release with another limit, or none, counts on", () => {
  const clock = room(1);
  let meter = meterWith(new ConnectionMeter(clock, new Party("a"), undefined), rate);
  expect(sent(meter, 2)).toBe(2);
  expect(meterWith(meter, { ...rate })).toBe(meter);
  meter = meterWith(meter, { count: 1_000, ms: 1_000 });
  expect(sent(meter, 28)).toBe(28);
  meter = meterWith(meter, undefined);
  // 30 have been sent, of the 32 that the clock is not looked at for; then 5 s of one a second are spent.
  expect(sent(meter, 100)).toBe(63 - 30);
  expect(meter.passed).toBe("connection messages");
});
