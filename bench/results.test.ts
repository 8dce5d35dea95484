import { expect, test } from "vitest";
import { isMet } from "./cells.ts";
import { chartOf } from "./chart.ts";
import type { FigureResult, RowResult, SideResult } from "./comparison.ts";
import { noFaults } from "./load/faults.ts";
import type { Spread } from "./ratio.ts";
import { remarksOn } from "./remarks.ts";
import { markdownOf } from "./results.ts";

const names = { subject: "thinstate", reference: "bare" };
const provenance = {
  ...{
    command: "npm run bench",
    commit: "0ddc9eb",
    date: "2026-11-22",
    node: "20.20.2",
    cores: 2,
    cpu: "a processor",
    system: "Linux 6.1",
  },
};

function spread(median: number, least = median, most = median): Spread {
  return { median, least, most };
}

function sideOf(value: number, more: Partial<SideResult> = {}): SideResult {
  return { value: spread(value), costMicros: null, loadShare: null, elsewhereShare: null, ...more };
}

function figureOf(more: Partial<FigureResult> = {}): FigureResult {
  const usual = { name: "rate", title: "echoes", unit: "/s", better: "more", goal: { of: "ratio", bound: 0.5 } } as const;
  const subject = sideOf(561_234, { costMicros: 2.924, loadShare: 0.12 });
  const reference = sideOf(1_087_654, { costMicros: 0.6351, loadShare: 0.31 });
  return { ...usual, ratio: spread(0.516, 0.5, 0.551), ratioAtLeast: null, subject, reference, ...more };
}

function rowOf(...figures: FigureResult[]): RowResult {
  return { row: "echo", title: "echo of 64 bytes", times: 3, figures, faults: { subject: noFaults, reference: noFaults } };
}

const alone = figureOf({
  name: "p999",
  title: "p99.9",
  unit: "ms",
  better: "less",
  goal: { of: "value", bound: 50 },
  ratio: null,
  subject: sideOf(31.25),
  reference: null,
});

test("the table has the ratio first, then both sides, their costs and the load's", () => {
  const lines = markdownOf({ rows: [rowOf(figureOf(), alone)], unmeasured: [], names, provenance }).split("\n");
  expect(lines).toContain("|  |  | thinstate/bare | goal | thinstate | bare | CPU of each | CPU of the load |");
  expect(lines).toContain(
    "| echo of 64 bytes | echoes | 0.52 (0.50–0.55) | ≥ 0.50 ✔ | 561,000/s | 1,090,000/s | 2.92 / 0.635 µs | 12 / 31 % |",
  );
  expect(lines).toContain("|  | p99.9 |  | ≤ 50 ms ✔ | 31.3 ms |  |  |  |");
});

test("the page says where the figures come from, and that nothing was lost", () => {
  const page = markdownOf({ rows: [rowOf(figureOf())], unmeasured: [], names, provenance });
  expect(page).toContain("`npm run bench` on 2026-11-22, commit 0ddc9eb: Node 20.20.2, 2 cores (a processor), Linux 6.1.");
  expect(page).toContain("Lost, doubled, reordered, malformed, disconnected: 0.");
  const broken = { ...rowOf(figureOf()), faults: { subject: { ...noFaults, lost: 3, disconnected: 1 }, reference: noFaults } };
  const other = markdownOf({ rows: [broken, rowOf()], unmeasured: [], names, provenance });
  expect(other).toContain("echo: thinstate has 3 lost, 1 disconnected");
  expect(other).not.toContain("disconnected: 0");
});

test.each([
  { what: "a share that is high enough", figure: figureOf(), met: true },
  { what: "one that is too low", figure: figureOf({ ratio: spread(0.49) }), met: false },
  {
    what: "a multiple that is low enough",
    figure: figureOf({ better: "less", goal: { of: "ratio", bound: 3.5 }, ratio: spread(3.5) }),
    met: true,
  },
  { what: "one that is too high", figure: figureOf({ better: "less", goal: { of: "ratio", bound: 3.5 }, ratio: spread(3.6) }), met: false },
  { what: "a share that is high enough, but might be less with a faster load", figure: figureOf({ ratioAtLeast: 0.45 }), met: false },
  { what: "a value", figure: alone, met: true },
  {
    what: "one that is too high",
    figure: figureOf({ better: "less", goal: { of: "value", bound: 31 }, subject: sideOf(31.25) }),
    met: false,
  },
  { what: "no goal", figure: figureOf({ goal: undefined } as unknown as Partial<FigureResult>), met: null },
  {
    what: "a cost of 5 µs where the other row's is 2.9",
    figure: figureOf({ better: "less", subject: sideOf(5), goal: { of: "cost", row: "echo", bound: 2 } }),
    met: true,
  },
  { what: "one of 6", figure: figureOf({ better: "less", subject: sideOf(6), goal: { of: "cost", row: "echo", bound: 2 } }), met: false },
  { what: "a row that was not measured", figure: figureOf({ goal: { of: "cost", row: "other", bound: 2 } }), met: null },
])("of a goal, $what: $met", ({ figure, met }) => {
  expect(isMet(figure, [rowOf(figureOf())])).toBe(met);
});

test("a quiet run with a load that has time to spare needs no remark", () => {
  expect(remarksOn([rowOf(figureOf())], names)).toEqual([]);
});

test.each([
  {
    what: "ratios that lie far apart",
    figure: figureOf({ ratio: spread(0.5, 0.4, 0.6) }),
    remark: /^Noise: the ratios of echo lie far apart/,
  },
  {
    what: "a busy machine",
    figure: figureOf({ subject: sideOf(1, { elsewhereShare: 0.43 }) }),
    remark: /^Noise: other processes took up to 43 % of all cores during echo\.$/,
  },
  {
    what: "a load that kept bare waiting",
    figure: figureOf({ reference: sideOf(1, { loadShare: 0.97 }) }),
    remark: /^The load was busy all the time while bare was measured in echo\. Behind "≥" is/,
  },
  {
    what: "a load that kept thinstate waiting",
    figure: figureOf({ subject: sideOf(1, { loadShare: 0.97 }) }),
    remark: /^The load was busy all the time while thinstate was measured in echo: it may do more/,
  },
])("$what are remarked on", ({ figure, remark }) => {
  expect(remarksOn([rowOf(figure)], names)).toEqual([expect.stringMatching(remark)]);
});

test("the chart has a bar for each ratio, its goal, and nothing for what has none", () => {
  const memory = figureOf({
    title: "memory",
    unit: "bytes",
    better: "less",
    goal: { of: "value", bound: 2500 },
    ratio: spread(3),
    reference: sideOf(650),
  });
  const cost = figureOf({ title: "CPU", unit: "µs", better: "less" });
  const chart = chartOf([rowOf(figureOf(), alone, memory, cost)]);
  const bars = [...chart.matchAll(/<rect .*fill="#2f8f5b"/g)].slice(1);
  const goals = [...chart.matchAll(/<path .*stroke="#b45309"/g)].slice(1);
  expect(bars).toHaveLength(2);
  expect(goals).toHaveLength(2);
  expect(chart).toContain("echo of 64 bytes, echoes: 0.52 (0.50–0.55)");
  expect(chart).not.toContain("p99.9");
});

test("in the chart, bare is 1 long and thinstate its share", () => {
  const chart = chartOf([rowOf(figureOf({ ratio: spread(0.25) }))]);
  const [track, bar] = [...chart.matchAll(/<rect x="150" .*? width="([0-9.]+)"/g)].map(([, width]) => Number(width));
  expect(bar).toBe((track as number) / 4);
});

test("a ratio that the load flatters is shown as what it is at least", () => {
  const rows = [rowOf(figureOf({ ratioAtLeast: 0.25 }))];
  expect(markdownOf({ rows, unmeasured: [], names, provenance })).toContain("| 0.52 (0.50–0.55), ≥ 0.25 | ≥ 0.50 ✘ |");
  const chart = chartOf(rows);
  const [track, bar] = [...chart.matchAll(/<rect x="150" .*? width="([0-9.]+)"/g)].map(([, width]) => Number(width));
  expect(bar).toBe((track as number) / 4);
  expect(chart).toContain("≥ 0.25");
});

test("the chart explains what it shows, and no more", () => {
  const chart = chartOf([rowOf(figureOf(), figureOf({ unit: "ms", better: "less" }))]);
  expect(chart).toContain(">Latency, as a multiple");
  expect(chart).not.toContain("at least");
  const memory = figureOf({ unit: "bytes", better: "less" });
  expect(chartOf([rowOf(figureOf({ ratioAtLeast: 0.25 }), memory)])).toMatch(/≥ {2}at least.*>Latency and memory, as a multiple/s);
});

test("on a dark page, each of the chart's colours is another", () => {
  const [, style = "", drawn = ""] = /<style>(.*)<\/style>(.*)/s.exec(chartOf([rowOf(figureOf())])) ?? [];
  const colours = new Set([...drawn.matchAll(/(?:fill|stroke)="(#\w+)"/g)].map(([, colour]) => colour));
  expect(colours.size).toBeGreaterThan(4);
  for (const colour of colours) expect(style).toMatch(new RegExp(`\\[fill="${colour}"\\]\\{fill:(?!${colour})#`));
});

test("text in the chart is escaped", () => {
  expect(chartOf([{ ...rowOf(figureOf()), title: "a < b & c" }])).toContain("a &lt; b &amp; c");
});

test("a row that this machine cannot measure is named, with the reason", () => {
  const unmeasured = [{ title: "deploys", why: "It opens 60000 connections.\n  ulimit -Hn 60100" }];
  expect(markdownOf({ rows: [rowOf(figureOf())], unmeasured, names, provenance })).toContain(
    "\nNot measured: deploys. It opens 60000 connections. ulimit -Hn 60100\n",
  );
});
