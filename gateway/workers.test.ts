import pino from "pino";
import { beforeEach, expect, test } from "vitest";
import type { LinkHub } from "../protocol/link-hub.ts";
import type { WorkerHello } from "../protocol/membership.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { Trial } from "./trial.ts";
import { Workers } from "./workers.ts";

const limits = { silenceMs: 1_000, confirmMs: 1_000, rememberMs: 5_000 };

let now: number;
let workers: Workers;
let trial: Trial;
/** What the dispatcher was told. */
let told: string[];

beforeEach(() => {
  now = 10_000;
  told = [];
  trial = new Trial();
  const link = { probe: () => undefined };
  workers = new Workers({
    hub: { open: () => link, close: () => undefined } as unknown as LinkHub,
    dispatcher: {
      busy: () => [],
      trial,
      joined: ({ id }) => void told.push(`joined ${id}`),
      lost: ({ id }, how) => void told.push(`lost ${id} ${how}`),
      confirm: (id) => void told.push(`confirm ${id}`),
      clear: (id) => void told.push(`clear ${id}`),
    } as Partial<Dispatcher> as Dispatcher,
    requests: { underWayAt: () => ({}) },
    log: pino({ level: "silent" }),
    now: () => now,
    limits,
    onLost: () => undefined,
  });
});

function hear(id: string, reconnects = 0): void {
  workers.hear({ id, release: "1", routes: [], state: "serving", reconnects } as unknown as WorkerHello);
}

/** w1 has said hello once, and then been silent for too long. */
function unreachable(): void {
  hear("w1");
  now += limits.silenceMs + 1;
  workers.sweep();
  expect(told.splice(0)).toEqual(["joined w1", "lost w1 unreachable"]);
}

test("a gateway that is stopped while it looks for silent workers finds none: what they said meanwhile is not read yet", () => {
  hear("w1");
  told.length = 0;
  const at = now;
  now += limits.silenceMs + limits.confirmMs + 1;
  workers.sweep(at);
  expect(told).toEqual([]);
  workers.sweep();
  expect(told).toEqual(["lost w1 unreachable"]);
  told.length = 0;
  now += limits.confirmMs;
  workers.sweep(at);
  expect(told).toEqual([]);
});

test("a worker that its supervisor has seen end has died, whether it was heard until then or not", () => {
  hear("w2");
  workers.gone("w2", "exited");
  expect(told.splice(0)).toEqual(["joined w2", "lost w2 exited"]);
  unreachable();
  workers.gone("w1", "exited");
  expect(told).toEqual(["confirm w1"]);
});

test("a worker that nobody hears has died when it has not come back in time, and not before", () => {
  unreachable();
  now += limits.confirmMs - 1;
  workers.sweep();
  expect(told).toEqual([]);
  now += 1;
  workers.sweep();
  expect(told).toEqual(["confirm w1"]);
});

test("one that comes back had lost NATS if it has connected again; else it has hung, which a message may have caused", () => {
  unreachable();
  hear("w1", 1);
  expect(told.splice(0)).toEqual(["clear w1", "joined w1"]);
  now += limits.silenceMs + 1;
  workers.sweep();
  hear("w1", 1);
  expect(told).toEqual(["lost w1 unreachable", "confirm w1", "joined w1"]);
});

test("one that says goodbye has died of nothing", () => {
  unreachable();
  workers.gone("w1", "bye");
  expect(told).toEqual(["clear w1"]);
});

test("one of a release that is still watched has died of its release, and nothing that it had in hand is blamed", () => {
  trial.activated({ release: "1", generation: 2, trialMs: 5_000 }, now);
  hear("w1");
  workers.gone("w1", "exited");
  hear("w2");
  now += 5_000;
  workers.gone("w2", "exited");
  expect(told).toEqual(["joined w1", "lost w1 left", "joined w2", "lost w2 exited"]);
});

test("what it had in hand is told for a while", () => {
  unreachable();
  expect(Object.keys(workers.silent)).toEqual(["w1"]);
  now += limits.silenceMs + limits.rememberMs + 1;
  workers.sweep();
  expect(workers.silent).toEqual({});
});

test("a worker that was unreachable is not taken for dead for the time in which nobody could be heard", () => {
  unreachable();
  // NATS is away: no sweeps, no hellos.
  now += 10 * limits.confirmMs;
  workers.excuse();
  workers.sweep();
  hear("w1", 1);
  expect(told).toEqual(["clear w1", "joined w1"]);
});
