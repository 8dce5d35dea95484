import { expect, test } from "vitest";
import { gateway } from "../test/hellos.ts";
import { handoverFigures } from "./handover-figures.ts";
import { Histogram } from "./histogram.ts";
import type { GatewayHello } from "./membership.ts";

function reporting(connections: number, generation: number, pausesMs: number[]): GatewayHello {
  const pauses = new Histogram();
  for (const pause of pausesMs) pauses.record(pause);
  const handover = { generation, before: connections, remaining: 1, moved: connections - 1, parked: 2, redelivered: 0 };
  return {
    ...gateway,
    id: `g${connections}`,
    connections,
    handover: { ...handover, pauses: pauses.counts, longestPauseMs: pauses.longestMs },
  };
}

test("the figures of all gateways are added up, and their pauses as one", () => {
  const figures = handoverFigures([reporting(10, 4, [1, 1, 1]), reporting(20, 4, [80])], 4);
  expect(figures).toMatchObject({ connectionsBefore: 30, connectionsAfter: 30, handedOver: 28, remaining: 2, parked: 4, redelivered: 0 });
  expect(figures.pauseP50Ms).toBeCloseTo(1, 0);
  expect(figures.pauseP99Ms).toBe(80);
  expect(figures.pauseLongestMs).toBe(80);
});

test("a gateway that still reports an earlier generation adds only its connections", () => {
  expect(handoverFigures([reporting(10, 3, [5])], 4)).toMatchObject({ connectionsBefore: 0, connectionsAfter: 10, handedOver: 0 });
});
