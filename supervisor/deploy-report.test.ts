import { expect, test } from "vitest";
import { type Closed, handoverFigures } from "../protocol/handover-figures.ts";
import { Histogram } from "../protocol/histogram.ts";
import type { GatewayHello } from "../protocol/membership.ts";
import { gateway } from "../test/hellos.ts";
import { hasClosed, hasErrors, reportText } from "./deploy-report.ts";

function reporting(connections: number, generation: number, pausesMs: number[], closed?: Closed): GatewayHello {
  const pauses = new Histogram();
  for (const pause of pausesMs) pauses.record(pause);
  const handover = { generation, before: connections, remaining: 1, moved: connections - 1, parked: 2, redelivered: 0 };
  return {
    ...gateway,
    id: `g${connections}`,
    connections,
    handover: { ...handover, ...(closed && { closed }), pauses: pauses.counts, longestPauseMs: pauses.longestMs },
  };
}

const about = { release: "7", previous: "6", generation: 4, steps: [], totalMs: 1_234, watch: null, errors: [] };

test("the report names what serves and what served before", () => {
  const figures = handoverFigures([reporting(10, 4, [1])], 4);
  const text = reportText({ ...about, ...figures });
  expect(text).toMatch(/^release 7 serves \(before: release 6\)\n/);
  expect(text).toContain("10 before, 10 after");
  expect(text).not.toContain("closed");
});

test("an idle deploy says so, instead of figures that are all zero", () => {
  const watch = { ms: 5_000, now: { turns: 0, thrown: 0 }, before: { turns: 0, thrown: 0 }, forFew: false };
  const text = reportText({ ...about, ...handoverFigures([{ ...gateway, connections: 0 }], 4), watch });
  expect(text).toMatch(/^ {2}pause {8}none, since no connection moved$/m);
  expect(text).toMatch(/^ {2}threw {8}no messages during the watch; nothing to compare$/m);
  const idle = reportText({ ...about, ...handoverFigures([reporting(10, 4, [0, 0, 0])], 4), watch });
  expect(idle).toMatch(/^ {2}pause {8}none: no connection had a message waiting$/m);
  const late = reportText({ ...about, ...handoverFigures([reporting(10, 4, [1])], 4), watch: { ...watch, now: { turns: 3, thrown: 0 } } });
  expect(late).toMatch(/^ {2}pause {8}p50 \d/m);
  const seen = { ...watch, now: { turns: 900, thrown: 100 }, before: { turns: 900, thrown: 0 }, forFew: true };
  expect(reportText({ ...about, ...handoverFigures([reporting(10, 4, [1])], 4), watch: seen })).toMatch(
    /^ {2}threw {8}100 of 900 turns \(before: 0 of 900\); throws for few addresses never roll a deploy back, npm run rollback-worker does$/m,
  );
  expect(late).toMatch(/^ {2}threw {8}0 of 3 turns \(before: no messages\)$/m);
});

test("connections that were closed are counted by their code, and shown with the workers' last errors", () => {
  const gateways = [
    reporting(10, 4, [], { "state.incompatible": 2 }),
    reporting(20, 4, [], { "state.incompatible": 1, "handler.thrown": 1 }),
    // What the generation before has closed.
    reporting(30, 3, [], { "state.incompatible": 7 }),
    // Of a version that does not count.
    reporting(40, 4, []),
  ];
  const figures = handoverFigures(gateways, 4);
  expect(figures.closed).toEqual({ "state.incompatible": 3, "handler.thrown": 1 });
  expect(hasClosed(figures.closed)).toBe(true);
  const text = reportText({ ...about, ...figures, errors: ["onAdopt was rolled back"] });
  expect(text).toMatch(/^ {2}closed {7}4: state\.incompatible \(3\), handler\.thrown \(1\)$/m);
  expect(text).toMatch(/\nthe last errors of its workers:\n {2}onAdopt was rolled back$/);
});

test.each<[Closed, { isError: boolean; isOfDeploy: boolean }]>([
  [{}, { isError: false, isOfDeploy: false }],
  // A forced release does not serve it any more.
  [{ "route.removed": 2 }, { isError: false, isOfDeploy: false }],
  [
    { "route.removed": 2, "handler.thrown": 1 },
    { isError: true, isOfDeploy: false },
  ],
  [
    { "handler.thrown": 2, "state.incompatible": 1 },
    { isError: true, isOfDeploy: true },
  ],
])(
  "of what was closed for %j it is told whether that is an error, and whether the deploy has done it",
  (closed, { isError, isOfDeploy }) => {
    expect([hasErrors(closed), hasClosed(closed)]).toEqual([isError, isOfDeploy]);
  },
);
