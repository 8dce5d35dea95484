import { beforeEach, expect, test } from "vitest";
import type { GatewayHello, WorkerHello } from "../protocol/membership.ts";
import { Watchdog } from "./hung-workers.ts";

const worker: WorkerHello = {
  ...{ kind: "worker", id: "w1", pid: 7, host: "here", protocol: 1 },
  ...{ release: "3", state: "ready", routes: [], connections: 0 },
};
const gateway = { kind: "gateway", id: "g1", pid: 8, host: "here", protocol: 1 } as GatewayHello;

let watchdog: Watchdog;
let now: number;

beforeEach(() => {
  now = 0;
  watchdog = new Watchdog({ host: "here", limitMs: 3_000 });
  watchdog.tick(now, true);
});

/** A second passes in which these are heard. @returns who hangs. */
function second(heard: ReadonlyArray<WorkerHello | GatewayHello>, isConnected = true): number[] {
  for (const hello of heard) watchdog.hear(hello);
  now += 1_000;
  return watchdog.tick(now, isConnected);
}

test("a worker that is silent for too long while others are heard hangs, and is named once", () => {
  expect(second([worker, gateway])).toEqual([]);
  expect([second([gateway]), second([gateway])]).toEqual([[], []]);
  expect(second([gateway])).toEqual([7]);
  expect(second([gateway])).toEqual([]);
});

test("a hello makes up for all the silence before it", () => {
  second([worker]);
  second([gateway]);
  second([gateway]);
  second([worker, gateway]);
  expect([second([gateway]), second([gateway]), second([gateway])]).toEqual([[], [], [7]]);
});

test("nobody hangs where nobody at all is heard", () => {
  second([worker, gateway]);
  for (let count = 0; count < 10; count++) expect(second([])).toEqual([]);
});

test("time without NATS does not count, and what was counted before is forgotten", () => {
  second([worker, gateway]);
  second([gateway]);
  second([gateway]);
  for (let count = 0; count < 10; count++) expect(second([], false)).toEqual([]);
  expect([second([gateway]), second([gateway]), second([gateway])]).toEqual([[], [], [7]]);
});

test("time in which the supervisor itself stood still does not count", () => {
  second([worker, gateway]);
  now += 60_000;
  expect(second([gateway])).toEqual([]);
});

test("one that has said goodbye, has ended, or runs on another machine does not hang", () => {
  second([worker, { ...worker, id: "w2", pid: 17 }, { ...worker, id: "w3", pid: 27, host: "elsewhere" }, gateway]);
  watchdog.hear({ kind: "gone", id: "w1", reason: "bye" });
  watchdog.ended(17);
  for (let count = 0; count < 10; count++) expect(second([gateway])).toEqual([]);
});
