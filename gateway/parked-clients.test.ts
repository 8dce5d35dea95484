import { beforeEach, expect, test } from "vitest";
import { ParkedClients } from "./parked-clients.ts";
import type { WaitingClient } from "./uws/waiting-client.ts";

const parkMs = 1_000;

let now: number;
let isServing: boolean;
let later: Array<() => void>;
/** What has become of clients, by name. */
let log: string[];
let parked: ParkedClients;

beforeEach(() => {
  now = 0;
  isServing = false;
  later = [];
  log = [];
  const names = (what: string) => (kind: string, client: WaitingClient) => log.push(`${kind} ${(client as Client).name} ${what}`);
  parked = new ParkedClients({
    now: () => now,
    later: (run) => void later.push(run),
    sliceMs: 5,
    limits: { parkMs },
    isServing: () => isServing,
    onTimeout: names("too late"),
    onBug: names("met a bug"),
  });
});

class Client implements WaitingClient {
  isGone = false;
  onGone: (() => void) | undefined;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  answer(): void {}

  begin(): undefined {}
}

/** Going on with it takes a millisecond. */
function park(name: string, proceed = () => void log.push(name)): Client {
  const client = new Client(name);
  parked.add("upgrade", client, () => {
    now++;
    proceed();
  });
  return client;
}

test("all go on once there is a worker, the oldest first; those that have gone do not", () => {
  park("a");
  const gone = park("b");
  park("c");
  parked.retry();
  expect([log, parked.size]).toEqual([[], 3]);
  gone.isGone = true;
  isServing = true;
  parked.retry();
  expect([log, parked.size]).toEqual([["a", "c"], 0]);
});

test("thousands go on in slices, and the event loop has its turn between them", () => {
  const names = Array.from({ length: 5_000 }, (_, index) => String(index));
  for (const name of names) park(name);
  isServing = true;
  parked.retry();
  expect([log.length, later.length]).toEqual([5, 1]);
  // The pass is under way: no second one.
  parked.retry();
  expect([log.length, later.length]).toEqual([5, 1]);
  for (let run = later.shift(); run !== undefined; run = later.shift()) {
    const before = log.length;
    run();
    expect(log.length - before).toBeLessThanOrEqual(5);
  }
  expect(log).toEqual(names);
});

test("where the last worker is lost between two slices, the others go on to wait, and go on with the next one", () => {
  for (let index = 0; index < 12; index++) park(String(index));
  isServing = true;
  parked.retry();
  isServing = false;
  later.shift()?.();
  expect([log.length, parked.size, later.length]).toEqual([5, 7, 0]);
  isServing = true;
  parked.retry();
  later.shift()?.();
  expect([log.length, parked.size]).toEqual([12, 0]);
});

test("a bug that meets one is told, and concerns no other", () => {
  park("a", () => {
    throw new Error("oops");
  });
  park("b");
  isServing = true;
  parked.retry();
  expect(log).toEqual(["upgrade a met a bug", "b"]);
});

test("who has waited for too long is told so, once; who has gone is forgotten", () => {
  park("a");
  park("b").isGone = true;
  now = parkMs - 1;
  park("c");
  parked.sweep();
  expect([log, parked.size]).toEqual([[], 2]);
  now = parkMs;
  parked.sweep();
  parked.sweep();
  expect([log, parked.size]).toEqual([["upgrade a too late"], 1]);
});

test("nobody waits any more once they were all refused", () => {
  park("a");
  park("b").isGone = true;
  parked.clear((kind, client) => void log.push(`${kind} ${(client as Client).name} refused`));
  isServing = true;
  parked.retry();
  expect([log, parked.size]).toEqual([["upgrade a refused"], 0]);
});
