import { expect, test } from "vitest";
import { Link } from "../protocol/link.ts";
import type { RouteHello } from "../protocol/membership.ts";
import { encodePublished, encodeTimer } from "../protocol/payloads.ts";
import { toWorker } from "../protocol/records.ts";
import { compileRoutes } from "../protocol/route-table.ts";
import { Connection } from "./connection.ts";
import { ConnectionEvent } from "./event.ts";
import { EventQueues, type EventQueuesOptions } from "./event-queues.ts";
import { Expiry } from "./expiry.ts";
import { Parking } from "./parking.ts";
import { Quarantine } from "./quarantine.ts";
import { ConnectionTimers } from "./timers.ts";
import { WorkerPeer } from "./worker-peer.ts";

const timersRoute: RouteHello = { path: "/a", subprotocols: [], upgrades: false, answers: false, adopts: false, timers: true };

function ignore(): void {}

function workerPeer(routes: readonly RouteHello[] = []): WorkerPeer {
  const options = { self: "g", peer: "w", session: 1, now: () => 0, transmit: ignore, onBegun: ignore, onCredit: ignore, onLost: ignore };
  return new WorkerPeer({ id: "w", release: "1", table: compileRoutes(routes), link: new Link(options), now: 0 });
}

let counters: EventQueuesOptions["counters"];

function queuesOf(parking: Parking, windowMessages = 1_000): EventQueues {
  counters = { discarded: 0, timersDropped: { unhandled: 0, discarded: 0 }, publishedDropped: { unhandled: 0, discarded: 0 } };
  return new EventQueues({ window: { windowMessages, windowBytes: 1e9 }, parking, quarantine: new Quarantine(), counters });
}

function connectionTo(worker: WorkerPeer, slot: number): Connection {
  const place = { slot, epoch: 1, id: `c${slot}`, path: "/a" };
  const connection = new Connection({ ...place, query: "", ip: "", user: undefined, subprotocol: "", state: undefined });
  connection.worker = worker;
  connection.phase = "pinned";
  return connection;
}

test.each([
  ["small", [20, 200]],
  ["of all sizes", [10, 3_000, 100, 40_000, 200_000, 1]],
])("what is delivered is found again for as long as it is not committed: messages %s", (_, sizes) => {
  const worker = workerPeer();
  const parking = new Parking({ parkedMessages: 1, parkedBytes: 1, parkedTotalBytes: 1 });
  const queues = queuesOf(parking);
  const connections = Array.from({ length: 50 }, (_, slot) => connectionTo(worker, slot));
  const sent = connections.map(() => [] as string[]);
  for (let count = 0; count < 6_000 && worker.link.hasCredit; count++) {
    const slot = count % connections.length;
    const text = `${count} `.padEnd(sizes[count % sizes.length] as number, "x");
    const data = Buffer.from(text);
    expect(queues.deliverNow(connections[slot] as Connection, data, false)).toBe(true);
    sent[slot]?.push(text);
    // uWebSockets.js uses its buffer again.
    data.fill(0);
    if (count % 7 === 0) worker.link.flush();
  }
  const found = connections.map(({ events }) => events.map(({ payload }) => Buffer.from(payload).toString()));
  for (const [slot, texts] of sent.entries()) expect(found[slot]?.map(short)).toEqual(texts.map(short));
});

test("a worker whose handler has no onExpire is not told that the time has come, whenever it gets the connection", () => {
  const worker = workerPeer();
  const parking = new Parking({ parkedMessages: 9, parkedBytes: 9_000, parkedTotalBytes: 9_000 });
  const queues = queuesOf(parking);
  const connection = connectionTo(worker, 0);
  const expire = new ConnectionEvent(toWorker.expire, new Uint8Array(8));
  connection.expiry = new Expiry(1);
  connection.expiry.event = expire;
  connection.expiry.phase = "asking";
  queues.park(connection, new ConnectionEvent(toWorker.message, new Uint8Array(1)));
  queues.park(connection, expire);
  queues.park(connection, new ConnectionEvent(toWorker.message, new Uint8Array(2)));
  queues.advance(connection);
  expect(connection.events.map(({ length }) => length)).toEqual([1, 2]);
  expect([connection.expiry.phase, connection.delivered, parking.bytes]).toEqual(["unasked", 2, 0]);
});

test("a connection that has one timer's turn after the other is not stalled, nor one where only timers wait; with a message behind them, it is", () => {
  const worker = workerPeer([timersRoute]);
  const parking = new Parking({ parkedMessages: 9, parkedBytes: 9_000, parkedTotalBytes: 9_000 });
  const queues = queuesOf(parking);
  const connection = connectionTo(worker, 0);
  const stalledMs: number[] = [];
  for (let now = 250; now <= 2_000; now += 250) {
    queues.park(connection, new ConnectionEvent(toWorker.timer, encodeTimer(now, "tick")));
    queues.advance(connection);
    if (now > 250 && now <= 1_250) queues.commit(connection);
    stalledMs.push(queues.stalledMs(connection, now));
  }
  queues.park(connection, new ConnectionEvent(toWorker.message, new Uint8Array(1)));
  for (let now = 2_250; now <= 3_000; now += 250) stalledMs.push(queues.stalledMs(connection, now));
  expect(stalledMs).toEqual([...Array(8).fill(0), 0, 250, 500, 750]);
});

test("timers that have come due take no room from messages, and are counted until a worker has them, or they are dropped", () => {
  const worker = workerPeer([timersRoute]);
  const parking = new Parking({ parkedMessages: 9, parkedBytes: 9_000, parkedTotalBytes: 9_000 });
  const queues = queuesOf(parking, 2);
  const connection = connectionTo(worker, 0);
  const owner = { timers: 0 };
  connection.timers = new ConnectionTimers(owner);
  const counted = () => [parking.timers, owner.timers, parking.events, parking.bytes, connection.parkedBytes];
  for (let number = 1; number <= 5; number++) queues.park(connection, new ConnectionEvent(toWorker.timer, encodeTimer(number, "t")));
  expect(counted()).toEqual([5, 5, 0, 0, 0]);
  queues.advance(connection);
  expect(counted()).toEqual([3, 3, 0, 0, 0]);
  queues.takeBack(connection, worker);
  expect(counted()).toEqual([5, 5, 0, 0, 0]);
  queues.dropMessages(connection);
  expect(counted()).toEqual([0, 0, 0, 0, 0]);
});

test("a timer that is dropped is counted as one, not as a message: its handler has no onTimer, or its connection is closed", () => {
  const parking = new Parking({ parkedMessages: 9, parkedBytes: 9_000, parkedTotalBytes: 9_000 });
  const queues = queuesOf(parking);
  const worker = workerPeer();
  const connection = connectionTo(worker, 0);
  const timer = () => new ConnectionEvent(toWorker.timer, encodeTimer(1, "t"));
  queues.park(connection, timer());
  queues.advance(connection);
  expect([counters.timersDropped, connection.events.length]).toEqual([{ unhandled: 1, discarded: 0 }, 0]);
  connection.worker = undefined;
  for (const event of [timer(), new ConnectionEvent(toWorker.message, new Uint8Array(1)), timer()]) queues.park(connection, event);
  queues.park(connection, new ConnectionEvent(toWorker.expire, new Uint8Array(8)));
  queues.park(connection, new ConnectionEvent(toWorker.close, new Uint8Array(2)));
  queues.dropMessages(connection);
  expect(counters).toMatchObject({ discarded: 1, timersDropped: { unhandled: 1, discarded: 2 } });
  expect([connection.events.map(({ type }) => type), parking.events]).toEqual([[toWorker.close], 1]);
});

test("what was published for a handler takes room as messages do, is dropped where there is no onPublish, and wears no turn's number", () => {
  const parking = new Parking({ parkedMessages: 9, parkedBytes: 9_000, parkedTotalBytes: 9_000 });
  const queues = queuesOf(parking);
  const connection = connectionTo(workerPeer([timersRoute]), 0);
  const published = (number: number) => new ConnectionEvent(toWorker.published, encodePublished(number, "t", Buffer.from("x")));
  queues.park(connection, published(1));
  queues.advance(connection);
  expect([counters.publishedDropped, connection.events.length]).toEqual([{ unhandled: 1, discarded: 0 }, 0]);
  connection.worker = workerPeer([{ ...timersRoute, publishes: true }]);
  queues.park(connection, published(2));
  queues.advance(connection);
  queues.park(connection, new ConnectionEvent(toWorker.message, new Uint8Array(1)));
  expect([connection.delivered, connection.firstEvent]).toEqual([1, 0]);
  queues.commit(connection);
  expect([connection.firstEvent, connection.events.map(({ type }) => type)]).toEqual([0, [toWorker.message]]);
  connection.worker = undefined;
  queues.park(connection, published(3));
  expect(parking.events).toBe(2);
  queues.dropMessages(connection);
  expect([counters, parking.bytes]).toMatchObject([{ discarded: 1, publishedDropped: { unhandled: 1, discarded: 1 } }, 0]);
});

test("a connection that has one published message's turn after the other is not stalled", () => {
  const parking = new Parking({ parkedMessages: 9, parkedBytes: 9_000, parkedTotalBytes: 9_000 });
  const queues = queuesOf(parking);
  const connection = connectionTo(workerPeer([{ ...timersRoute, publishes: true }]), 0);
  const stalledMs: number[] = [];
  for (let now = 250; now <= 2_000; now += 250) {
    queues.park(connection, new ConnectionEvent(toWorker.published, encodePublished(now, "t", new Uint8Array(0))));
    queues.advance(connection);
    if (now > 250 && now <= 1_250) queues.commit(connection);
    stalledMs.push(queues.stalledMs(connection, now));
  }
  expect(stalledMs).toEqual([...Array(6).fill(0), 250, 500]);
});

/** Readable where it differs. */
function short(text: string): string {
  return `${text.slice(0, 10)} ${text.length}`;
}
