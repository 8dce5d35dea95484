import { beforeEach, expect, test } from "vitest";
import { decodeTimer } from "../protocol/payloads.ts";
import { Connection } from "./connection.ts";
import type { ConnectionEvent } from "./event.ts";
import { endTimer, pinnedTimers, Timers } from "./timers.ts";

let nowMs: number;
let ticks: Array<{ at: number; run: () => void }>;
let later: Array<() => void>;
let parked: Array<[connection: Connection, event: ConnectionEvent]>;
let timers: Timers;
let slots: number;
/** Timers that have come due and wait for a worker. */
let waiting: number;
/** What parking an event takes. */
let costMs: number;

beforeEach(() => {
  nowMs = 1_000;
  slots = costMs = waiting = 0;
  [ticks, later, parked] = [[], [], []];
  timers = new Timers({
    now: () => nowMs,
    later: (run) => void later.push(run),
    after: (ms, run) => void ticks.push({ at: nowMs + ms, run }),
    limits: { timers: 1_000_000 },
    waiting: () => waiting,
    park: (connection, event) => {
      nowMs += costMs;
      parked.push([connection, event]);
    },
    onBug: (_connection, error) => {
      throw error;
    },
  });
});

function connection(): Connection {
  const slot = slots++;
  const about = { id: `g-${slot}-${slot}`, path: "/", query: "", ip: "", user: undefined, subprotocol: "", state: undefined };
  return new Connection({ slot, epoch: 0, ...about });
}

/** Time passes, and whatever waits for it runs. */
function pass(ms: number): void {
  const until = nowMs + ms;
  for (let next = ticks.shift(); next !== undefined; next = ticks.shift()) {
    if (next.at > until) {
      ticks.unshift(next);
      break;
    }
    nowMs = next.at;
    next.run();
    for (const run of later.splice(0)) run();
  }
  nowMs = until;
}

function due(): string[] {
  return parked.splice(0).map(([{ id }, { payload }]) => `${id} ${decodeTimer(payload).name} ${decodeTimer(payload).number}`);
}

test("a timer comes due once, never early, and 20 ms late at most", () => {
  const ada = connection();
  timers.set(ada, { ms: 105, number: 1, name: "move" });
  pass(104);
  expect(due()).toEqual([]);
  pass(21);
  expect(due()).toEqual(["g-0-0 move 1"]);
  pass(10_000);
  expect([due(), ticks, timers.size]).toEqual([[], [], 0]);
});

test.each(Array.from({ length: 20 }, (_, ms) => ms))(
  "that holds wherever its time falls between two looks: the first %s ms later",
  (offset) => {
    const ada = connection();
    pass(offset);
    timers.set(ada, { ms: 10_000, number: 1, name: "keeps the looks going" });
    for (let number = 2; number < 22; number++) {
      timers.set(ada, { ms: 101, number, name: "move" });
      pass(100);
      expect(due()).toEqual([]);
      pass(21);
      expect(due()).toContain(`g-0-0 move ${number}`);
    }
  },
);

test("one of the same name replaces it, and a cleared one never comes due", () => {
  const ada = connection();
  timers.set(ada, { ms: 100, number: 1, name: "move" });
  timers.set(ada, { ms: 300, number: 2, name: "move" });
  timers.set(ada, { ms: 100, number: 3, name: "other" });
  timers.clear(ada, "other");
  timers.clear(ada, "unknown");
  pass(200);
  expect([due(), timers.size]).toEqual([[], 1]);
  pass(200);
  expect(due()).toEqual(["g-0-0 move 2"]);
  expect(pinnedTimers(ada)).toEqual({ timers: [["move", 2]], lastTimer: 3 });
});

test("it stays in the pin until its event has committed, unless another one was set meanwhile", () => {
  const ada = connection();
  expect(pinnedTimers(ada)).toEqual({});
  timers.set(ada, { ms: 100, number: 1, name: "move" });
  timers.set(ada, { ms: 100, number: 2, name: "other" });
  pass(200);
  const [[, move], [, other]] = parked as [[Connection, ConnectionEvent], [Connection, ConnectionEvent]];
  timers.set(ada, { ms: 100, number: 3, name: "other" });
  endTimer(ada, other);
  expect(pinnedTimers(ada).timers).toEqual([
    ["move", 1],
    ["other", 3],
  ]);
  endTimer(ada, move);
  expect(pinnedTimers(ada).timers).toEqual([["other", 3]]);
});

test("a connection that has closed has no more of them, but for those that had come due", () => {
  const [ada, bob] = [connection(), connection()];
  timers.set(ada, { ms: 100, number: 1, name: "due" });
  timers.set(ada, { ms: 500, number: 2, name: "later" });
  timers.set(bob, { ms: 500, number: 1, name: "later" });
  pass(200);
  expect(due()).toEqual(["g-0-0 due 1"]);
  ada.intake = "closed";
  timers.forget(ada);
  expect([pinnedTimers(ada).timers, timers.size]).toEqual([[["due", 1]], 1]);
  pass(1_000);
  expect(due()).toEqual(["g-1-1 later 1"]);
});

test("a hundred thousand that come due at once take slices of the event loop", () => {
  for (let index = 0; index < 100_000; index++) timers.set(connection(), { ms: 100, number: 1, name: "all" });
  expect([timers.size, timers.hasRoom(connection(), new Set(["one"]), undefined)]).toEqual([100_000, true]);
  costMs = 0.001;
  for (const { run } of ticks.splice(0)) {
    nowMs += 200;
    run();
  }
  expect(parked.length).toBeLessThan(6_000);
  while (later.length > 0) later.shift()?.();
  expect([parked.length, timers.size]).toEqual([100_000, 0]);
});

test("an address may have a quarter of all timers, those that wait for a worker count, and one that replaces another takes no room", () => {
  const options = { now: () => nowMs, later: () => undefined, after: () => undefined, park: () => undefined, onBug: () => undefined };
  timers = new Timers({ ...options, waiting: () => waiting, limits: { timers: 8 } });
  const owner = { timers: 0 };
  const ada = connection();
  const names = (...list: readonly string[]) => new Set(list);
  expect([timers.hasRoom(ada, names("a", "b", "c"), owner), timers.hasRoom(ada, names("a", "b"), owner)]).toEqual([false, true]);
  timers.set(ada, { ms: 100, number: 1, name: "a" }, owner);
  timers.set(ada, { ms: 100, number: 2, name: "b" }, owner);
  expect([timers.hasRoom(ada, names("a", "b"), owner), timers.hasRoom(ada, names("c"), owner)]).toEqual([true, false]);
  expect(timers.hasRoom(ada, names("c"), { timers: 0 })).toBe(true);
  timers.clear(ada, "a");
  timers.forget(ada);
  expect([owner.timers, timers.size]).toEqual([0, 0]);
  waiting = 7;
  expect([timers.hasRoom(connection(), names("a"), undefined), timers.hasRoom(connection(), names("a", "b"), undefined)]).toEqual([
    true,
    false,
  ]);
});
