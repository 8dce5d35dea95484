import { beforeEach, expect, test } from "vitest";
import type { GatewayHello } from "../protocol/membership.ts";
import { PeerGateways } from "./peer-gateways.ts";

let nowMs: number;
let peers: PeerGateways;

beforeEach(() => {
  nowMs = 1_000;
  peers = new PeerGateways({ now: () => nowMs, timeoutMs: () => 60_000 });
});

const hello = (id: string, draining = false) => ({ kind: "gateway", id, draining, level: 1 }) as GatewayHello;
const ids = () => peers.all.map(({ id }) => id);

test("whoever was heard lately is there", () => {
  expect(peers.areThere).toBe(false);
  peers.hear(hello("g1"));
  nowMs += 3_000;
  expect(peers.areThere).toBe(true);
  nowMs += 1_000;
  expect(peers.areThere).toBe(false);
});

test("who may have sessions: whoever was heard so lately, but for what is excused", () => {
  const lately = () => peers.withSessions(5_000).map(({ id }) => id);
  peers.hear(hello("g1"));
  nowMs += 5_000;
  peers.hear(hello("g2"));
  peers.hear({ ...hello("g3"), level: 0 });
  expect(lately()).toEqual(["g1", "g2"]);
  nowMs += 1_000;
  peers.sweep();
  expect(lately()).toEqual(["g2"]);
  nowMs += 30_000;
  expect(lately()).toEqual([]);
  // Whoever was silent before the standstill is not excused for it.
  peers.excuse();
  expect(lately()).toEqual(["g2"]);
  nowMs += 5_000;
  peers.sweep();
  expect(lately()).toEqual(["g2"]);
  peers.excuse();
  expect(lately()).toEqual([]);
});

test("since when requests at another one may be unanswered: since its last hello, or as long as that says", () => {
  const unansweredSince = () => peers.withSessions(5_000).map((peer) => peer.unansweredSince);
  peers.hear(hello("g1"));
  peers.hear({ ...hello("g2"), unansweredMs: 700 });
  expect(unansweredSince()).toEqual([1_000, 300]);
  nowMs += 1_000;
  peers.hear(hello("g2"));
  expect(unansweredSince()).toEqual([1_000, 2_000]);
});

test("whoever ends, or has gone, is not", () => {
  for (const id of ["g1", "g2"]) peers.hear(hello(id));
  peers.hear({ kind: "gone", id: "g1", reason: "bye" });
  expect(peers.areThere).toBe(true);
  peers.hear(hello("g2", true));
  expect(peers.areThere).toBe(false);
});

test("one that drains, or is silent, may still have clients: until it has gone, or its time is up", () => {
  const gone: string[] = [];
  peers.onGone((id) => gone.push(id));
  for (const id of ["g3", "g1", "g2"]) peers.hear(hello(id, id === "g2"));
  nowMs += 59_000;
  expect(ids()).toEqual(["g1", "g2", "g3"]);
  peers.hear({ kind: "gone", id: "g1", reason: "exited" });
  peers.hear(hello("g3"));
  expect([ids(), gone]).toEqual([["g2", "g3"], ["g1"]]);
  nowMs += 2_000;
  expect(ids()).toEqual(["g3"]);
});

test("whoever could not be heard for a while is not taken for gone", () => {
  peers.hear(hello("g1"));
  nowMs += 100_000;
  peers.listens();
  expect(ids()).toEqual(["g1"]);
  nowMs += 59_000;
  peers.excuse();
  nowMs += 59_000;
  expect(ids()).toEqual(["g1"]);
});

test("all are known once each has had time to say hello", () => {
  nowMs += 5_000;
  peers.listens();
  nowMs += 999;
  expect(peers.areKnown).toBe(false);
  nowMs += 1;
  peers.excuse();
  expect(peers.areKnown).toBe(true);
});

test("one that nobody has heard of for long is gone, unless it could not have been heard", () => {
  const areGone = () => ["g1", "g2"].map((id) => peers.isGone(id));
  peers.listens();
  nowMs += 30_000;
  peers.hear(hello("g1"));
  nowMs += 30_001;
  // This process has stood still.
  expect(areGone()).toEqual([false, false]);
  peers.sweep();
  // It may have just begun.
  expect(areGone()).toEqual([false, false]);
  nowMs += 3_501;
  peers.sweep();
  expect(areGone()).toEqual([false, true]);
  peers.hear(hello("g2"));
  expect(areGone()).toEqual([false, false]);
  nowMs += 30_000;
  peers.excuse();
  peers.sweep();
  expect(areGone()).toEqual([false, false]);
});
