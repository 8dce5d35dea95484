import { beforeEach, describe, expect, test } from "vitest";
import { encodeTimer } from "../protocol/payloads.ts";
import { toWorker } from "../protocol/records.ts";
import { Connection } from "./connection.ts";
import { ConnectionEvent } from "./event.ts";
import { Expiries, endExpire } from "./expiry.ts";

const graceMs = 10_000;
/** More than a tick of the wheel. */
const step = 500;

let nowMs: number;
/** What the wall clock is ahead. */
let aheadMs: number;
let later: Array<() => void>;
let closed: Connection[];
let expiries: Expiries;

beforeEach(() => {
  nowMs = 1_000_000;
  aheadMs = 0;
  later = [];
  closed = [];
  expiries = new Expiries({
    now: () => nowMs,
    wallClock: () => nowMs + aheadMs,
    later: (run) => later.push(run),
    graceMs: () => graceMs,
    park: ({ events }, event) => void events.push(event),
    close: (connection, code) => {
      expect(code).toBe("auth.expired");
      connection.intake = "closing";
      closed.push(connection);
    },
    onBug: (_connection, error) => {
      throw error;
    },
  });
});

function open(expiresAt = 0): Connection {
  const about = { path: "/", query: "", ip: "", user: undefined, subprotocol: "", state: undefined };
  const connection = new Connection({ slot: 0, epoch: 0, id: "g-0-1", ...about });
  if (expiresAt > 0) expiries.set(connection, expiresAt);
  return connection;
}

function pass(ms: number): void {
  for (const end = nowMs + ms; nowMs < end; ) {
    nowMs = Math.min(nowMs + step, end);
    expiries.sweep();
  }
}

function asks({ events }: Connection): number {
  return events.filter(({ type }) => type === toWorker.expire).length;
}

/** The first event's turn has committed. */
function commit(connection: Connection): void {
  const event = connection.events.shift() as ConnectionEvent;
  if (event.type === toWorker.expire) endExpire(connection, event, "asked");
  else connection.firstEvent++;
}

function message(connection: Connection): void {
  connection.events.push(new ConnectionEvent(toWorker.message, new Uint8Array(1)));
}

test("its time comes: an event with that time, once", () => {
  const connection = open(nowMs + 5_000);
  pass(4_900);
  expect(asks(connection)).toBe(0);
  pass(3_600_000);
  expect(asks(connection)).toBe(1);
  expect(Buffer.from(connection.events[0]?.payload ?? []).readDoubleLE(0)).toBe(1_005_000);
  expect(closed).toEqual([]);
});

test("the grace period begins when the turn has committed, and ends with a close", () => {
  const connection = open(nowMs);
  pass(60_000);
  commit(connection);
  pass(graceMs - step);
  expect(closed).toEqual([]);
  pass(3 * step);
  expect(closed).toEqual([connection]);
  pass(60_000);
  expect(closed).toHaveLength(1);
});

test.each([-600_000, 600_000])(
  "the clock is put by %s ms: grace periods are as long as before, and new times come as they are set",
  (ms) => {
    const inGrace = open(nowMs);
    pass(step);
    commit(inGrace);
    pass(step);
    aheadMs = ms;
    const next = open(nowMs + ms + graceMs);
    pass(graceMs - 2 * step);
    expect([closed, asks(next)]).toEqual([[], 0]);
    pass(3 * step);
    expect([closed, asks(next)]).toEqual([[inGrace], 1]);
  },
);

test("nobody wants to hear of it: closed at once", () => {
  const connection = open(nowMs);
  pass(step);
  endExpire(connection, connection.events.pop() as ConnectionEvent, "unasked");
  pass(2 * step);
  expect(closed).toEqual([connection]);
});

test.each(["while the turn is under way", "within the grace period"])("a later time that is set %s counts, and nothing else", (when) => {
  const connection = open(nowMs);
  pass(step);
  if (when === "within the grace period") {
    commit(connection);
    pass(graceMs / 2);
  }
  expiries.set(connection, nowMs + 100_000);
  if (when !== "within the grace period") commit(connection);
  pass(90_000);
  expect([asks(connection), closed.length]).toEqual([0, 0]);
  pass(20_000);
  expect([asks(connection), closed.length]).toEqual([1, 0]);
});

test("set to never, it is neither asked nor closed", () => {
  const connection = open(nowMs + step);
  expiries.set(connection, 0);
  pass(3_600_000);
  expect([asks(connection), closed.length, connection.expiry]).toEqual([0, 0, undefined]);
});

describe("the grace period is over, and a turn of what came before has not committed", () => {
  test("what it sets counts", () => {
    const connection = open(nowMs);
    pass(step);
    commit(connection);
    message(connection);
    pass(10 * graceMs);
    expect(closed).toEqual([]);
    expiries.set(connection, nowMs + 3_600_000);
    commit(connection);
    pass(graceMs);
    expect(closed).toEqual([]);
  });

  test("if it sets nothing, the connection is closed, however much has come since", () => {
    const connection = open(nowMs);
    pass(step);
    commit(connection);
    message(connection);
    pass(10 * graceMs);
    message(connection);
    message(connection);
    commit(connection);
    pass(2 * step);
    expect(closed).toEqual([connection]);
  });

  test("a timer whose turn is always under way is nothing that the client has sent", () => {
    const connection = open(nowMs);
    pass(step);
    commit(connection);
    connection.events.push(new ConnectionEvent(toWorker.timer, encodeTimer(1, "tick")));
    pass(graceMs + 2 * step);
    expect(closed).toEqual([connection]);
  });
});

test("one that has ended, or whose close is decided, is let be", () => {
  const ended = open(nowMs + 1_000);
  expiries.forget(ended);
  const closing = open(nowMs + 1_000);
  closing.intake = "closing";
  pass(60_000);
  expect([asks(ended), asks(closing), closed.length]).toEqual([0, 0, 0]);
});

test("many at once are asked slice by slice; those that have ended meanwhile are passed over", () => {
  const due = nowMs;
  const many = Array.from({ length: 1_000 }, () => open(due));
  for (const connection of many) {
    const { events } = connection;
    Object.defineProperty(connection, "events", {
      get: () => {
        nowMs += 0.01;
        return events;
      },
    });
  }
  nowMs += step;
  expiries.sweep();
  const asked = () => many.filter((connection) => asks(connection) > 0).length;
  expect(later.length).toBe(1);
  const first = asked();
  expect(first).toBeGreaterThan(0);
  expect(first).toBeLessThan(1_000);
  expiries.forget(many.at(-1) as Connection);
  for (let run = later.shift(); run !== undefined; run = later.shift()) run();
  expect(asked()).toBe(999);
});
