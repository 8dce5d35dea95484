import { beforeEach, expect, test } from "vitest";
import type { Connection } from "./connection.ts";
import { Quarantine } from "./quarantine.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** The only part of a worker that a quarantine looks at. */
function worker(inFlight = 0): WorkerPeer {
  return { inFlight } as WorkerPeer;
}
/** It does not look at a connection at all. */
function connection(): Connection {
  return {} as Connection;
}

let quarantine: Quarantine;

beforeEach(() => {
  quarantine = new Quarantine();
});

test("without a suspect, or without a worker, nothing is reserved", () => {
  expect(quarantine.next([worker()])).toBeUndefined();
  quarantine.add(connection());
  expect(quarantine.next([])).toBeUndefined();
  expect(quarantine.worker).toBeUndefined();
});

test("reserves the worker that has least in hand, and waits until it has nothing", () => {
  const [busy, quiet] = [worker(5), worker(1)];
  const suspect = connection();
  quarantine.add(suspect);
  expect(quarantine.next([busy, quiet])).toBeUndefined();
  expect(quarantine.worker).toBe(quiet);
  busy.inFlight = 0;
  expect(quarantine.next([busy, quiet]), "what is reserved stays so").toBeUndefined();
  quiet.inFlight = 0;
  expect(quarantine.next([busy, quiet])).toEqual({ connection: suspect, worker: quiet });
  expect(quarantine.connection).toBe(suspect);
});

test("suspects run one after the other on one worker, which is free after the last", () => {
  const only = worker();
  const [first, second] = [connection(), connection()];
  quarantine.add(first);
  quarantine.add(second);
  expect(quarantine.next([only])?.connection).toBe(first);
  expect(quarantine.next([only]), "one at a time").toBeUndefined();
  expect(quarantine.end()).toBeUndefined();
  expect(quarantine.worker).toBe(only);
  expect(quarantine.next([only])?.connection).toBe(second);
  expect(quarantine.end()).toBe(only);
  expect([quarantine.worker, quarantine.connection]).toEqual([undefined, undefined]);
});

test("one that ends while it waits does not run, and its worker is free", () => {
  const gone = connection();
  const only = worker(1);
  quarantine.add(gone);
  expect(quarantine.next([only])).toBeUndefined();
  expect(quarantine.remove(gone)).toBe(only);
  only.inFlight = 0;
  expect(quarantine.next([only])).toBeUndefined();
});

test("a reserved worker that is no candidate any more is left, unless something runs there", () => {
  const [leaving, other] = [worker(1), worker()];
  const suspect = connection();
  quarantine.add(suspect);
  expect(quarantine.next([leaving])).toBeUndefined();
  expect(quarantine.leaveUnless([leaving, other])).toBeUndefined();
  expect(quarantine.leaveUnless([other])).toBe(leaving);
  expect(quarantine.next([other])).toEqual({ connection: suspect, worker: other });
  expect(quarantine.leaveUnless([])).toBeUndefined();
});

test("knows whether what is to run alone has begun; the next event of the same connection has not", () => {
  const [suspect, other] = [connection(), connection()];
  quarantine.add(suspect);
  quarantine.next([worker()]);
  const aloneness = () => [suspect, other].map((one) => quarantine.aloneness(one));
  expect(aloneness()).toEqual(["toRun", "not"]);
  quarantine.begin(other);
  expect(aloneness()).toEqual(["toRun", "not"]);
  quarantine.begin(suspect);
  expect(aloneness()).toEqual(["begun", "not"]);
  quarantine.committed(other);
  expect(aloneness()).toEqual(["begun", "not"]);
  quarantine.committed(suspect);
  expect(aloneness()).toEqual(["toRun", "not"]);
});
