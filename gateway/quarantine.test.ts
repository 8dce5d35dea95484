import { beforeEach, expect, test } from "vitest";
import type { Connection } from "./connection.ts";
import { Quarantine } from "./quarantine.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** The only parts of a worker and of a connection that an isolation looks at. */
function worker(inFlight = 0): WorkerPeer {
  return { inFlight } as WorkerPeer;
}
function connection(deaths = 2): Connection {
  return { deaths } as Connection;
}

let isolation: Quarantine;

beforeEach(() => {
  isolation = new Quarantine();
});

test("suspects those whose workers have died twice", () => {
  expect([0, 1, 2, 3].map((deaths) => isolation.isSuspect(connection(deaths)))).toEqual([false, false, true, true]);
});

test("without a suspect, or without a worker, nothing is reserved", () => {
  expect(isolation.next([worker()])).toBeUndefined();
  isolation.add(connection());
  expect(isolation.next([])).toBeUndefined();
  expect(isolation.worker).toBeUndefined();
});

test("reserves the worker that has least in hand, and waits until it has nothing", () => {
  const [busy, quiet] = [worker(5), worker(1)];
  const suspect = connection();
  isolation.add(suspect);
  expect(isolation.next([busy, quiet])).toBeUndefined();
  expect(isolation.worker).toBe(quiet);
  busy.inFlight = 0;
  expect(isolation.next([busy, quiet]), "what is reserved stays so").toBeUndefined();
  quiet.inFlight = 0;
  expect(isolation.next([busy, quiet])).toEqual({ connection: suspect, worker: quiet });
  expect(isolation.connection).toBe(suspect);
});

test("suspects run one after the other on one worker, which is free after the last", () => {
  const only = worker();
  const [first, second] = [connection(), connection()];
  isolation.add(first);
  isolation.add(second);
  expect(isolation.next([only])?.connection).toBe(first);
  expect(isolation.next([only]), "one at a time").toBeUndefined();
  expect(isolation.done()).toBe(false);
  expect(isolation.worker).toBe(only);
  expect(isolation.next([only])?.connection).toBe(second);
  expect(isolation.done()).toBe(true);
  expect([isolation.worker, isolation.connection]).toEqual([undefined, undefined]);
});

test("one that ends while it waits does not run", () => {
  const gone = connection();
  isolation.add(gone);
  isolation.remove(gone);
  expect(isolation.next([worker()])).toBeUndefined();
});

test("a reserved worker that is no candidate any more is replaced, and one that has gone is let go of", () => {
  const [leaving, other] = [worker(1), worker()];
  const suspect = connection();
  isolation.add(suspect);
  expect(isolation.next([leaving])).toBeUndefined();
  expect(isolation.next([other])).toEqual({ connection: suspect, worker: other });
  isolation.end();
  expect([isolation.worker, isolation.connection]).toEqual([undefined, undefined]);
});
