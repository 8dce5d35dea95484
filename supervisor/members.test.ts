import { expect, test } from "vitest";
import type { Announcement } from "../protocol/membership.ts";
import { gateway, worker } from "../test/hellos.ts";
import { Members } from "./members.ts";

test("a member that is silent for more than five seconds is forgotten", () => {
  const members = new Members("here", () => undefined);
  members.hear(worker, 1_000);
  members.hear(gateway, 3_000);
  members.forgetSilent(6_000);
  expect(members.workers).toEqual([worker]);
  members.forgetSilent(6_001);
  expect(members.workers).toEqual([]);
  expect(members.gateways).toEqual([gateway]);
});

test("a member that is gone is forgotten at once", () => {
  const members = new Members("here", () => undefined);
  members.hear(worker, 0);
  members.hear({ kind: "gone", id: "w1", reason: "bye" }, 1);
  expect(members.workers).toEqual([]);
});

test("a member is found by its process, but not where another machine has one of that number", () => {
  const members = new Members("here", () => undefined);
  members.hear(worker, 0);
  members.hear(gateway, 0);
  expect(members.byProcess(7)).toEqual(worker);
  expect(members.byProcess(8)).toEqual(gateway);
  members.hear({ ...worker, id: "w2", pid: 9, host: "elsewhere" }, 0);
  expect(members.byProcess(9)).toBeUndefined();
  expect(members.workersAmong([7, 8, 9])).toEqual([worker]);
  expect(members.gatewaysAmong([7, 8, 9])).toEqual([gateway]);
});

test("the highest generation that a gateway or an operator speaks of is kept", () => {
  const members = new Members("here", () => undefined);
  members.hear({ ...gateway, activation: { release: "3", generation: 5 } }, 0);
  members.hear({ ...worker, activation: { release: "4", generation: 6 } }, 0);
  members.hear({ kind: "activate", activation: { release: "2", generation: 4 } }, 1);
  expect(members.heardActivation).toEqual({ release: "3", generation: 5 });
});

test("rates are taken over half a second or more", () => {
  const members = new Members("here", () => undefined);
  members.hear(gateway, 0);
  members.hear({ ...gateway, messagesIn: 10 }, 100);
  expect(members.ratesOf("g1")).toEqual({ inPerSecond: 0, outPerSecond: 0 });
  members.hear({ ...gateway, messagesIn: 1_000, messagesOut: 500 }, 1_000);
  expect(members.ratesOf("g1")).toEqual({ inPerSecond: 1_000, outPerSecond: 500 });
});

test("a wait ends with the hello that it waits for, and with its signal", async () => {
  const members = new Members("here", () => undefined);
  const waits = members.until(() => members.workers.length === 1, new AbortController().signal);
  members.hear(worker, 0);
  await waits;
  const cancelled = new AbortController();
  const waitsInVain = members.until(() => false, cancelled.signal);
  cancelled.abort(new Error("cancelled"));
  await expect(waitsInVain).rejects.toThrow("cancelled");
});

test("waits for so long at most, says whether it was in time, and ends with the signal", async () => {
  const said: Announcement[] = [];
  const members = new Members("here", (announcement) => said.push(announcement));
  const ask: Announcement = { kind: "checkStates", worker: "w1", number: 1, gateways: ["g1"] };
  expect(await members.within(120, () => false, { ask: () => ask })).toBe(false);
  expect(said[0]).toEqual(ask);
  const inTime = members.within(60_000, () => members.gateways.length === 1);
  members.hear(gateway, 0);
  expect(await inTime).toBe(true);
  const cancelled = new AbortController();
  const waits = members.within(60_000, () => false, { signal: cancelled.signal });
  cancelled.abort(new Error("cancelled"));
  await expect(waits).rejects.toThrow("cancelled");
});
