import { expect, test } from "vitest";
import { ClientLimits } from "./client-limits.ts";

const unlimited = Number.POSITIVE_INFINITY;

function clientLimits(isExempt = (_: string) => false) {
  const clock = { now: 1_000 };
  const rates = {
    connection: { messages: 100, bytes: unlimited, pings: 1 },
    addressFactor: 2,
    userFactor: 2,
    connections: 2,
    upgrades: 10,
    failures: 1,
    requests: 1,
  };
  return { limits: new ClientLimits({ now: () => clock.now, rates, isExempt }), clock, rates };
}

test("an address is forgotten when it has no connection and its past use lasts no longer", () => {
  const { limits, clock } = clientLimits();
  const address = limits.addressOf("192.0.2.1");
  limits.upgrade(address);
  limits.addresses.enter(address);
  const meter = limits.open(address, undefined);
  clock.now += 60_000;
  limits.sweep();
  expect(limits.addresses.size).toBe(1);
  for (let count = 0; count < 100; count++) meter.message(1);
  limits.close(meter);
  limits.sweep();
  expect(limits.addressOf("192.0.2.1")).toBe(address);
  // 100 messages, at 200 a second.
  clock.now += 501;
  limits.sweep();
  expect(limits.addresses.size).toBe(0);
});

test("strangers who come once each leave nothing behind", () => {
  const { limits, clock } = clientLimits();
  for (let count = 0; count < 10_000; count++) limits.upgrade(limits.addressOf(`2001:db8:${count.toString(16)}::1`));
  clock.now += 101;
  limits.sweep();
  expect(limits.addresses.size).toBe(0);
});

test("an address is let in again once its failures lie back", () => {
  const { limits, clock } = clientLimits();
  const address = limits.addressOf("192.0.2.1");
  for (let count = 0; count < 10; count++) limits.failed(address);
  // Ten at one a second, of which five may come at once.
  expect(limits.upgrade(address)).toEqual({ code: "rate.requests", passed: "address failures", retryMs: 5_000 });
  expect(limits.isBarred("192.0.2.1")).toBe(false);
  for (let count = 0; count < 100; count++) limits.upgrade(address);
  expect(limits.isBarred("192.0.2.1")).toBe(true);
  expect(limits.isBarred("192.0.2.2")).toBe(false);
  clock.now += 5_001;
  expect(limits.isBarred("192.0.2.1")).toBe(false);
  expect(limits.upgrade(address)).toBeUndefined();
});

test("clients that were let in together and fail together all count, for a minute at most", () => {
  const { limits, clock } = clientLimits();
  const address = limits.addressOf("192.0.2.1");
  for (let count = 0; count < 5; count++) limits.failed(address);
  const together = Array.from({ length: 20 }, () => limits.upgrade(address));
  expect(together.filter((refusal) => refusal === undefined).length).toBe(20);
  for (let count = 0; count < 20; count++) limits.failed(address);
  clock.now += 9_999;
  expect(limits.upgrade(address)).toEqual({ code: "rate.requests", passed: "address failures", retryMs: 10_001 });
  clock.now += 10_000;
  expect(limits.upgrade(address)).toEqual({ code: "rate.requests", passed: "address failures", retryMs: 1 });
  clock.now += 1;
  expect(limits.upgrade(address)).toBeUndefined();
  for (let count = 0; count < 1_000; count++) limits.failed(address);
  clock.now += 54_999;
  expect(limits.upgrade(address)).toBeDefined();
  clock.now += 1;
  expect(limits.upgrade(address)).toBeUndefined();
});

test("no limit holds for an exempt address, but those of its connections do", () => {
  const { limits } = clientLimits((address) => address === "127.0.0.1");
  const address = limits.addressOf("127.0.0.1");
  for (let count = 0; count < 100; count++) {
    limits.failed(address);
    limits.addresses.enter(address);
    expect([limits.upgrade(address), limits.request(address, false)]).toEqual([undefined, undefined]);
  }
  const meter = limits.open(address, undefined);
  const pings = Array.from({ length: 10 }, () => meter.ping());
  expect(pings.at(-1)).toBe(false);
  expect(meter.passed).toBe("connection pings");
});

test("of an address that sends too much, those are closed that send more than their share", () => {
  const { limits, clock } = clientLimits();
  const address = limits.addressOf("192.0.2.1");
  // All together may send 200 messages a second.
  const enter = () => {
    limits.addresses.enter(address);
    return limits.open(address, undefined);
  };
  const [quiet, loud, alsoLoud] = [[enter(), enter()], enter(), enter()];
  const closed = new Set<unknown>();
  for (let ms = 0; ms < 60_000; ms += 10) {
    clock.now += 10;
    // 100 a second each, as a connection may, and 20.
    for (const meter of [loud, alsoLoud]) if (!closed.has(meter) && !meter.message(1)) closed.add(meter);
    if (ms % 50 === 0) for (const meter of quiet) if (!meter.message(1)) closed.add(meter);
  }
  expect(closed.has(loud) || closed.has(alsoLoud)).toBe(true);
  expect(quiet.some((meter) => closed.has(meter))).toBe(false);
  expect(Object.keys(limits.passed)).toEqual(["address messages"]);
});

test("of a user, too; where all send the same, all of them are above it", () => {
  const { limits, clock } = clientLimits();
  const meters = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"].map((ip) => {
    const address = limits.addressOf(ip);
    limits.addresses.enter(address);
    return limits.open(address, "jo");
  });
  const closed = new Set<unknown>();
  for (let ms = 0; ms < 120_000; ms += 10) {
    clock.now += 10;
    for (const meter of meters) if (!closed.has(meter) && !meter.message(1)) closed.add(meter);
    if (closed.size === 2) break;
  }
  expect(closed.size).toBe(2);
  expect(Object.keys(limits.passed)).toEqual(["user messages"]);
});

test("many open connections of an address allow it more failures", () => {
  const { limits, clock } = clientLimits();
  const [few, many] = [limits.addressOf("192.0.2.1"), limits.addressOf("192.0.2.2")];
  for (let open = 0; open < 90; open++) limits.addresses.enter(many);
  const { rates } = limits;
  Object.assign(rates, { connections: 1_000 });
  // Six a second: one is allowed, and one more for each ten connections.
  for (let failure = 0; failure < 60; failure++) {
    clock.now += 166;
    for (const address of [few, many]) limits.failed(address);
  }
  expect([few, many].map((address) => limits.upgrade(address)?.passed)).toEqual(["address failures", undefined]);
});

test("an IPv6 address may be exempt by itself or with its network, and its neighbours are not", () => {
  const exempt = new Set(["::1", "2001:db8::5"]);
  const { limits } = clientLimits((address) => exempt.has(address));
  expect(["::1", "2001:db8::5", "2001:db8::6", "::ffff:192.0.2.1"].map((ip) => limits.addressOf(ip).isExempt)).toEqual([
    ...[true, true, false, false],
  ]);
  expect(limits.addressOf("2001:db8::6")).toBe(limits.addressOf("2001:db8::7"));
});

test("a change of what is exempt holds for those who are there", () => {
  const exempt = new Set<string>();
  const { limits, rates } = clientLimits((address) => exempt.has(address));
  const [office, provider] = [limits.addressOf("192.0.2.1"), limits.addressOf("2001:db8::6")];
  for (const address of [office, provider]) for (let open = 0; open < rates.connections; open++) limits.addresses.enter(address);
  expect(limits.upgrade(office)?.passed).toBe("address connections");
  exempt.add("192.0.2.1");
  // The first of its /64, as a list that has the network answers.
  exempt.add("2001:db8:0:0::");
  limits.exemptAgain();
  expect([limits.upgrade(office), limits.upgrade(provider)]).toEqual([undefined, undefined]);
  exempt.clear();
  limits.exemptAgain();
  expect(limits.upgrade(office)?.passed).toBe("address connections");
});

test("a changed rate holds at once", () => {
  const { limits, rates } = clientLimits();
  const meter = limits.open(limits.addressOf("192.0.2.1"), "jo");
  rates.connection.messages = unlimited;
  for (let count = 0; count < 10_000; count++) expect(meter.message(1)).toBe(true);
});

test("an address that connects faster than it may ask for anything is not taken; it is remembered like others", () => {
  const { limits, clock } = clientLimits((address) => address === "127.0.0.1");
  const taken = (ip: string) => Array.from({ length: 100 }, () => limits.mayConnect(ip)).filter(Boolean).length;
  // Upgrades and requests together: 11 a second, for five seconds.
  expect([taken("192.0.2.1"), taken("192.0.2.2"), taken("127.0.0.1")]).toEqual([55, 55, 100]);
  clock.now += 1_000;
  expect(taken("192.0.2.1")).toBe(11);
  expect(limits.passed).toEqual({ "address sockets": 45 + 45 + 89 });
  clock.now += 5_000;
  limits.sweep();
  expect(limits.addresses.size).toBe(1);
  clock.now += 100;
  limits.sweep();
  expect(limits.addresses.size).toBe(0);
});

test("a barred address is not taken either", () => {
  const { limits } = clientLimits();
  const address = limits.addressOf("192.0.2.1");
  for (let count = 0; count < 10; count++) limits.failed(address);
  for (let count = 0; count < 100; count++) limits.upgrade(address);
  expect([limits.mayConnect("192.0.2.1"), limits.mayConnect("192.0.2.2")]).toEqual([false, true]);
});

test("who comes to an address that has sent too much is flooding if it sends faster than a connection may, and not if it is slower", () => {
  const { limits, clock } = clientLimits();
  const address = limits.addressOf("192.0.2.1");
  const sends = (everyMs: number) => {
    limits.addresses.enter(address);
    const meter = limits.open(address, undefined);
    for (let count = 0; count < 500 && meter.message(1); count++) clock.now += everyMs;
    limits.close(meter);
    return [meter.passed, meter.exceedsOwnRate];
  };
  for (let count = 0; count < 2; count++) expect(sends(0)).toEqual([undefined, true]);
  expect(sends(0)).toEqual(["address messages", true]);
  // Others go on.
  for (let count = 0; count < 9; count++) limits.addresses.enter(address);
  address.messages = clock.now + 60_000;
  expect(sends(20)).toEqual(["address messages", false]);
});
