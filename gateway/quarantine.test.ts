import { beforeEach, expect, test } from "vitest";
import type { Connection } from "./connection.ts";
import { Quarantine } from "./quarantine.ts";
import type { WorkerPeer } from "./worker-peer.ts";

/** The only parts of a worker and of a connection that an quarantine looks at. */
function worker(inFlight = 0): WorkerPeer {
  return { inFlight } as WorkerPeer;
}
function connection(deaths = 2): Connection {
  return { deaths } as Connection;
}

let quarantine: Quarantine;

beforeEach(() => {
  quarantine = new Quarantine();
});

test("suspects those whose workers have died twice", () => {
  expect([0, 1, 2, 3].map((deaths) => quarantine.isSuspect(connection(deaths)))).toEqual([false, false, true, true]);
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
  expect(quarantine.done()).toBe(false);
  expect(quarantine.worker).toBe(only);
  expect(quarantine.next([only])?.connection).toBe(second);
  expect(quarantine.done()).toBe(true);
  expect([quarantine.worker, quarantine.connection]).toEqual([undefined, undefined]);
});

test("one that ends while it waits does not run", () => {
  const gone = connection();
  quarantine.add(gone);
  quarantine.remove(gone);
  expect(quarantine.next([worker()])).toBeUndefined();
});

test("a reserved worker that is no candidate any more is replaced, and one that has gone is let go of", () => {
  const [leaving, other] = [worker(1), worker()];
  const suspect = connection();
  quarantine.add(suspect);
  expect(quarantine.next([leaving])).toBeUndefined();
  expect(quarantine.next([other])).toEqual({ connection: suspect, worker: other });
  quarantine.end();
  expect([quarantine.worker, quarantine.connection]).toEqual([undefined, undefined]);
});
