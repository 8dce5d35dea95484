import { expect, test } from "vitest";
import { isClientFault } from "./client-fault.ts";
import { ConnectionMeter } from "./connection-meter.ts";
import { Party } from "./parties.ts";

const clock = { now: 1_000 };
const each = { messages: 100, bytes: 1_000_000, pings: 10 };
const room = {
  now: () => clock.now,
  rates: { connection: each, addressFactor: 1_000, userFactor: 1_000 },
  count: () => undefined,
};

/** A connection that sends so many messages, one each `everyMs`. */
function sending(count: number, everyMs: number, bytes = 1): ConnectionMeter {
  const meter = new ConnectionMeter(room, new Party("192.0.2.1"), undefined);
  for (let sent = 0; sent < count; sent++) {
    clock.now += everyMs;
    expect(meter.message(bytes)).toBe(true);
  }
  return meter;
}

const isFault = (meter: ConnectionMeter) => isClientFault("parked.total", meter);

test("there is no room for what waits of all: whoever floods has made that, though its own burst is not spent", () => {
  expect(isFault(sending(64, 1))).toBe(true);
  // Between two looks at the clock.
  expect(isFault(sending(70, 1))).toBe(true);
  expect(isFault(sending(20, 1, 50_000)), "in bytes").toBe(true);
});

test("one that sends as much as it may has not, nor one that has sent little, or whose flood lies back", () => {
  expect(isFault(sending(320, 10))).toBe(false);
  expect(isFault(sending(31, 0))).toBe(false);
  const flooded = sending(320, 0);
  clock.now += 3_199;
  expect(isFault(flooded)).toBe(true);
  clock.now += 1;
  expect(isFault(flooded)).toBe(false);
  expect(isClientFault("parked.total", undefined)).toBe(false);
});

test("one that floods with gaps has", () => {
  const meter = sending(320, 0);
  // It was away for a second, so that its next 32 seem to come slowly.
  clock.now += 1_000;
  for (let sent = 0; sent < 32; sent++) meter.message(1);
  expect(isFault(meter)).toBe(true);
});

test("what a client did alone is always its fault; what the server lacks never is", () => {
  const quiet = sending(1, 1_000);
  expect((["parked.tooMuch", "message.tooLarge"] as const).map((code) => isClientFault(code, quiet))).toEqual([true, true]);
  const flooding = sending(64, 0);
  expect((["parked.tooLong", "nats.away", "connection.bug"] as const).map((code) => isClientFault(code, flooding))).toEqual([
    ...[false, false, false],
  ]);
});
