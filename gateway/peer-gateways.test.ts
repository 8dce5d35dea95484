import { beforeEach, expect, test } from "vitest";
import type { GatewayHello } from "../protocol/membership.ts";
import { PeerGateways } from "./peer-gateways.ts";

let nowMs: number;
let successors: PeerGateways;

beforeEach(() => {
  nowMs = 1_000;
  successors = new PeerGateways(() => nowMs);
});

const hello = (id: string, draining = false) => ({ kind: "gateway", id, draining }) as GatewayHello;

test("whoever was heard lately is there", () => {
  expect(successors.areThere).toBe(false);
  successors.hear(hello("g1"));
  nowMs += 3_000;
  expect(successors.areThere).toBe(true);
  nowMs += 1_000;
  expect(successors.areThere).toBe(false);
});

test("whoever ends, or has gone, is not", () => {
  for (const id of ["g1", "g2"]) successors.hear(hello(id));
  successors.hear({ kind: "gone", id: "g1", reason: "bye" });
  expect(successors.areThere).toBe(true);
  successors.hear(hello("g2", true));
  expect(successors.areThere).toBe(false);
});
