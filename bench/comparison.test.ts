import { expect, test } from "vitest";
import { compare } from "./comparison.ts";
import { noFaults } from "./load/faults.ts";
import type { Row, Sample } from "./row.ts";
import { Running } from "./running.ts";
import type { Side } from "./side.ts";

function side(name: string, isBare: boolean): Side {
  return { name, isBare, clone: "", start: () => Promise.reject(new Error("nothing is started here")) };
}

const bare = side("bare", true);
const ours = side("thinstate", false);

/** A row that reads from lists what it would have measured. */
function rowOf(samples: Readonly<Record<string, readonly Sample[]>>, more: Partial<Row> = {}): Row & { readonly order: string[] } {
  const order: string[] = [];
  return {
    name: "row",
    title: "a row",
    connections: 1,
    figures: [{ name: "rate", title: "rate", unit: "/s", better: "more", goal: { of: "ratio", bound: 0.5 } }],
    order,
    measure: (trial) => {
      const { name } = trial.side;
      const time = order.filter((other) => other === name).length;
      order.push(name);
      return Promise.resolve({ samples: { rate: samples[name]?.[time] as Sample }, faults: { ...noFaults, lost: time } });
    },
    ...more,
  };
}

const options = { times: 3, seconds: 1, running: new Running(), onStep: () => undefined };

test("both sides are measured in turn, and a ratio is one of neighbours", async () => {
  const row = rowOf({ bare: [100, 200, 400].map((value) => ({ value })), thinstate: [50, 120, 280].map((value) => ({ value })) });
  const result = await compare(row, { ...options, subject: ours, reference: bare });
  expect(row.order).toEqual(["bare", "thinstate", "bare", "thinstate", "bare", "thinstate"]);
  const [figure] = result.figures;
  expect(figure?.ratio).toEqual({ median: 0.6, least: 0.5, most: 0.7 });
  expect(figure?.subject.value).toEqual({ median: 120, least: 50, most: 280 });
  expect(figure?.reference?.value.median).toBe(200);
});

test.each([0, -136])("there is no ratio to %i", async (least) => {
  const row = rowOf({ bare: [100, least, 400].map((value) => ({ value })), thinstate: [1, 1, 1].map((value) => ({ value })) });
  const [figure] = (await compare(row, { ...options, subject: ours, reference: bare })).figures;
  expect(figure).toMatchObject({ ratio: null, reference: { value: { median: 100 } } });
});

test("what went wrong is added up over all times", async () => {
  const row = rowOf({ bare: [1, 1, 1].map((value) => ({ value })), thinstate: [1, 1, 1].map((value) => ({ value })) });
  expect((await compare(row, { ...options, subject: ours, reference: bare })).faults.subject).toEqual({ ...noFaults, lost: 3 });
});

test("costs and shares are medians, and null where nobody measured them", async () => {
  const row = rowOf({
    bare: [1, 1, 1].map((value) => ({ value })),
    thinstate: [3, 1, 2].map((number) => ({ value: 1, costMicros: number, loadShare: number / 10 })),
  });
  const { figures } = await compare(row, { ...options, subject: ours, reference: bare });
  expect(figures[0]?.subject).toMatchObject({ costMicros: 2, loadShare: 0.2, elsewhereShare: null });
  expect(figures[0]?.reference).toMatchObject({ costMicros: null, loadShare: null });
});

test("a row that the bare server has nothing for is measured alone, but against another commit on both sides", async () => {
  const samples = { bare: [], thinstate: [{ value: 1 }], before: [{ value: 2 }] };
  const alone = rowOf(samples, { isAlone: true });
  const { figures } = await compare(alone, { ...options, times: 1, subject: ours, reference: bare });
  expect(alone.order).toEqual(["thinstate"]);
  expect(figures[0]).toMatchObject({ ratio: null, reference: null });

  const both = rowOf(samples, { isAlone: true });
  const compared = await compare(both, { ...options, times: 1, subject: ours, reference: side("before", false) });
  expect(both.order).toEqual(["before", "thinstate"]);
  expect(compared.figures[0]?.ratio?.median).toBe(0.5);
});

test("goals are about the bare server, and about nothing else", async () => {
  const samples = { bare: [{ value: 1 }], thinstate: [{ value: 1 }], before: [{ value: 1 }] };
  const against = async (reference: Side) =>
    (await compare(rowOf(samples), { ...options, times: 1, subject: ours, reference })).figures[0]?.goal;
  expect(await against(bare)).toEqual({ of: "ratio", bound: 0.5 });
  expect(await against(side("before", false))).toBeUndefined();
});

test("where the load held the bare server back, the ratio is at least that to what it could do", async () => {
  const measured = async (loadShare: number) => {
    const row = rowOf({
      bare: [{ value: 100_000, costMicros: 5, loadShare }],
      thinstate: [{ value: 100_000, costMicros: 10, loadShare: 0.5 }],
    });
    return (await compare(row, { ...options, times: 1, subject: ours, reference: bare })).figures[0];
  };
  expect(await measured(0.5)).toMatchObject({ ratio: { median: 1 }, ratioAtLeast: null });
  // 5 µs of one thread are 200,000 a second.
  expect(await measured(0.95)).toMatchObject({ ratio: { median: 1 }, ratioAtLeast: 0.5 });
});
