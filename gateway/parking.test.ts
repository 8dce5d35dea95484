import { expect, test } from "vitest";
import { toWorker } from "../protocol/records.ts";
import { ClientLimits } from "./client-limits.ts";
import { Connection } from "./connection.ts";
import { ConnectionEvent } from "./event.ts";
import { Parking, parkedEventBytes } from "./parking.ts";

const unlimited = Number.POSITIVE_INFINITY;
const share = 10_000;

let made = 0;

function stage(parkedBytes = 1_000) {
  const exempt = new Set<string>();
  const limits = new ClientLimits({
    now: () => 0,
    rates: {
      connection: { messages: unlimited, bytes: unlimited, pings: unlimited },
      ...{ addressFactor: 1, userFactor: 1, connections: unlimited, upgrades: unlimited, failures: unlimited, requests: unlimited },
    },
    isExempt: (address) => exempt.has(address),
  });
  const parking = new Parking({ parkedMessages: unlimited, parkedBytes, parkedTotalBytes: 4 * share });
  const open = (ip: string) => {
    const options = { path: "/", query: "", ip, user: undefined, subprotocol: "", state: undefined };
    const connection = new Connection({ slot: made, epoch: 0, id: `c${made++}`, ...options });
    limits.addresses.enter(limits.addressOf(ip));
    connection.meter = limits.open(limits.addressOf(ip), undefined);
    return connection;
  };
  /** @returns what it parks, with so many bytes that it takes `bytes`; and the bound that it has passed. */
  const park = (connection: Connection, bytes: number) => {
    const event = new ConnectionEvent(toWorker.message, new Uint8Array(bytes - parkedEventBytes));
    parking.add(connection, event);
    return { event, passed: parking.passed(connection) };
  };
  return { exempt, limits, parking, open, park };
}

test("connections of an address have a quarter of PARKED_TOTAL_BYTES together; those of another one have theirs", () => {
  const { open, park } = stage();
  // Whoever has one IPv6 address has its whole /64.
  for (let count = 1; count <= 10; count++) expect(park(open(`2001:db8::${count}`), 1_000).passed).toBeUndefined();
  expect(park(open("2001:db8::b"), parkedEventBytes).passed).toBe("parked.total");
  expect(park(open("2001:db8:0:1::1"), 1_000).passed).toBeUndefined();
});

test("the share of an address is never less than one connection may have", () => {
  const { open, park } = stage(2 * share);
  const connection = open("192.0.2.1");
  expect(park(connection, 2 * share).passed).toBeUndefined();
  expect(park(connection, parkedEventBytes).passed).toBe("parked.total");
});

test("what does not wait any more is its address's again, also after the connection has closed", () => {
  const { limits, open, park, parking } = stage();
  const connections = Array.from({ length: 10 }, () => open("192.0.2.1"));
  const parked = connections.map((connection) => ({ connection, ...park(connection, 1_000) }));
  const late = open("192.0.2.1");
  const { event, passed } = park(late, parkedEventBytes);
  expect(passed).toBe("parked.total");
  parking.remove(late, event);
  for (const { meter } of [...connections, late]) if (meter !== undefined) limits.close(meter);
  limits.sweep();
  expect(park(open("192.0.2.1"), 1_000).passed, "it has gone and come again").toBe("parked.total");
  for (const { connection, event } of parked.slice(0, 2)) parking.remove(connection, event);
  expect(park(open("192.0.2.1"), 1_000).passed).toBeUndefined();
});

test("bodies and messages of an address have one share", () => {
  const { limits, open, park, parking } = stage();
  const owner = limits.addressOf("192.0.2.1");
  expect(parking.keepBody(share - 1_000, owner)).toBe(true);
  expect(parking.keepBody(1_001, owner)).toBe(false);
  expect(park(open("192.0.2.1"), 1_000).passed).toBeUndefined();
  expect(park(open("192.0.2.1"), 1_000).passed).toBe("parked.total");
  expect(parking.keepBody(share, limits.addressOf("192.0.2.2"))).toBe(true);
  parking.dropBody(share - 1_000, owner);
  expect(park(open("192.0.2.1"), 1_000).passed).toBeUndefined();
});

test("an exempt address may have all; what waits of it counts when it is exempt no more", () => {
  const { exempt, limits, open, park } = stage();
  exempt.add("127.0.0.1");
  for (let count = 0; count < 30; count++) expect(park(open("127.0.0.1"), 1_000).passed).toBeUndefined();
  exempt.clear();
  limits.exemptAgain();
  expect(park(open("127.0.0.1"), 1_000).passed).toBe("parked.total");
});
