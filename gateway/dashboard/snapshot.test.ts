import { expect, test } from "vitest";
import { Histogram } from "../../protocol/histogram.ts";
import { gateway, worker } from "../../test/hellos.ts";
import { Fleet } from "./fleet.ts";
import { Samples, snapshotOf } from "./snapshot.ts";

function fleetOf(): Fleet {
  const fleet = new Fleet(() => 0);
  fleet.hear({ ...worker, id: "w1", release: "2" });
  return fleet;
}

test("a snapshot has the sums of all gateways, and what the last activation has cost", () => {
  const fleet = fleetOf();
  const activation = { release: "2", generation: 7 };
  const pauses = new Histogram();
  pauses.record(8);
  const figures = { before: 3, remaining: 1, moved: 2, parked: 0, redelivered: 4, pauses: pauses.counts, longestPauseMs: 8 };
  const own = { ...gateway, id: "g1", connections: 3, parked: 1, pins: { w1: 2 }, activation, handover: { ...figures, generation: 7 } };
  fleet.hear(own);
  fleet.hear({ ...gateway, id: "g2", connections: 3, pins: { w1: 3 }, handover: { ...figures, generation: 6 } });
  expect(snapshotOf(fleet, own, { at: 5, hasNats: true })).toMatchObject({
    at: 5,
    gateway: "g1",
    hasNats: true,
    release: "2",
    generation: 7,
    releases: { "2": 5 },
    waiting: 1,
    connections: 6,
    parked: 1,
    handover: { remaining: 1, handedOver: 2, redelivered: 4, pauseLongestMs: 8 },
  });
});

test("before the first deploy there is no release and no hand-over", () => {
  expect(snapshotOf(fleetOf(), gateway, { at: 0, hasNats: false })).toMatchObject({ release: null, generation: 0, handover: null });
});

test("two minutes of samples are kept, the oldest first, without the rows of a snapshot", () => {
  const samples = new Samples();
  for (let at = 0; at < 130; at++) samples.add(snapshotOf(fleetOf(), gateway, { at, hasNats: true }));
  expect(samples.all).toHaveLength(120);
  expect(samples.all[0]).toEqual({ at: 10, releases: {}, waiting: 0, inPerSecond: 0, outPerSecond: 0, release: null });
});
