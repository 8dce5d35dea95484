import { beforeEach, expect, test } from "vitest";
import type { GatewayHello } from "../protocol/membership.ts";
import { PeerGateways } from "./peer-gateways.ts";

let nowMs: number;
let peers: PeerGateways;

beforeEach(() => {
  nowMs = 1_000;
  peers = new PeerGateways(() => nowMs);
});

const hello = (id: string, draining = false) => ({ kind: "gateway", id, draining }) as GatewayHello;

test("whoever was heard lately is there", () => {
  expect(peers.areThere).toBe(false);
  peers.hear(hello("g1"));
  nowMs += 3_000;
  expect(peers.areThere).toBe(true);
  nowMs += 1_000;
  expect(peers.areThere).toBe(false);
});

test("whoever ends, or has gone, is not", () => {
  for (const id of ["g1", "g2"]) peers.hear(hello(id));
  peers.hear({ kind: "gone", id: "g1", reason: "bye" });
  expect(peers.areThere).toBe(true);
  peers.hear(hello("g2", true));
  expect(peers.areThere).toBe(false);
});
