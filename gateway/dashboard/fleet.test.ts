import { beforeEach, expect, test } from "vitest";
import { gateway, worker } from "../../test/hellos.ts";
import { Fleet } from "./fleet.ts";

let now: number;
let fleet: Fleet;

beforeEach(() => {
  now = 0;
  fleet = new Fleet(() => now);
});

const counts = { turns: 10, thrown: 2, timedOut: 0, answers: 0, failed: 0 };

test("connections are counted by release over all gateways; those with no worker wait", () => {
  fleet.hear({ ...worker, id: "w1", release: "old" });
  fleet.hear({ ...worker, id: "w2", release: "new" });
  fleet.hear({ ...gateway, id: "g1", connections: 10, pins: { w1: 4, w2: 3 } });
  fleet.hear({ ...gateway, id: "g2", connections: 5, pins: { w1: 5, w2: 0 } });
  expect(fleet.placed()).toEqual({ releases: { old: 9, new: 3 }, waiting: 3 });
});

test("a worker that has gone is known as long as a gateway speaks of it", () => {
  fleet.hear({ ...worker, id: "w1", release: "old" });
  fleet.hear({ ...gateway, connections: 4, pins: { w1: 4 } });
  fleet.hear({ kind: "gone", id: "w1", reason: "bye" });
  expect(fleet.placed()).toEqual({ releases: { old: 4 }, waiting: 0 });
  expect(fleet.workerRows(undefined)).toEqual({ rows: [], more: 0 });
});

test("of very many workers that were there, the release of those that are is known", () => {
  const hear = () => fleet.hear({ ...worker, id: "w", release: "old" });
  hear();
  fleet.hear({ ...gateway, connections: 4, pins: { w: 4 } });
  for (let index = 0; index < 2_500; index++) {
    if (index % 500 === 0) hear();
    fleet.hear({ ...worker, id: `w${index}` });
    fleet.hear({ kind: "gone", id: `w${index}`, reason: "bye" });
    expect(fleet.release("w")).toBe("old");
  }
});

test("rates are taken between hellos that are half a second apart, and summed", () => {
  for (const id of ["g1", "g2"]) fleet.hear({ ...gateway, id, messagesIn: 100, messagesOut: 50 });
  now = 100;
  fleet.hear({ ...gateway, id: "g1", messagesIn: 1_000, messagesOut: 50 });
  expect(fleet.rates()).toEqual({ inPerSecond: 0, outPerSecond: 0 });
  now = 2_000;
  for (const id of ["g1", "g2"]) fleet.hear({ ...gateway, id, messagesIn: 300, messagesOut: 60 });
  expect(fleet.rates()).toEqual({ inPerSecond: 200, outPerSecond: 10 });
  expect(fleet.gatewayRows().rows).toMatchObject([{ inPerSecond: 100, outPerSecond: 5 }, { inPerSecond: 100 }]);
});

test("the active release comes first, then the newest; each worker with its state, its turns and its tasks", () => {
  const activation = { release: "2", generation: 1 };
  fleet.hear({ ...worker, id: "w1", release: "1", state: "draining", counts });
  fleet.hear({ ...worker, id: "w3", release: "3", counts });
  fleet.hear({ ...worker, id: "w2", release: "2", counts, tasks: { "/ticker prices": 7 } });
  now = 1_000;
  fleet.hear({ ...worker, id: "w2", release: "2", counts: { ...counts, turns: 30 }, tasks: { "/ticker prices": 7 } });
  expect(fleet.workerRows(activation).rows).toMatchObject([
    { id: "w2", state: "active", turnsPerSecond: 20, turns: 30, thrown: 2, tasks: ["/ticker prices"] },
    { id: "w3", state: "standby" },
    { id: "w1", state: "draining" },
  ]);
});

test("who is silent is shown so, and forgotten after 15 s; not while nobody could be heard", () => {
  fleet.hear(worker);
  fleet.hear({ ...gateway, serving: false });
  expect(fleet.gatewayRows().rows).toMatchObject([{ state: "parking" }]);
  now = 4_000;
  expect(fleet.workerRows(undefined).rows).toMatchObject([{ state: "silent" }]);
  expect(fleet.gatewayRows().rows).toMatchObject([{ state: "silent" }]);
  fleet.excuse();
  now = 15_500;
  fleet.sweep();
  expect(fleet.workerRows(undefined).rows).toHaveLength(1);
  now = 20_000;
  fleet.sweep();
  expect(fleet.workerRows(undefined).rows).toHaveLength(0);
  expect(fleet.gateways).toHaveLength(0);
});

test("of very many only some are known, and fewer shown; the rest is a number", () => {
  for (let index = 0; index < 1_500; index++) fleet.hear({ ...worker, id: `w${index}` });
  const { rows, more } = fleet.workerRows(undefined);
  expect([rows.length, more]).toEqual([200, 800]);
  fleet.hear({ ...worker, id: "w3", release: "9" });
  expect(fleet.workerRows(undefined).rows[0]).toMatchObject({ id: "w3", release: "9" });
});
