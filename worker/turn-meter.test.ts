import { expect, test } from "vitest";
import { TurnMeter } from "./turn-meter.ts";

const route = { path: "/echo" };

/** Runs turns that take one millisecond each. */
class Bench {
  clockMs = 0;
  reads = 0;
  readonly meter = new TurnMeter(() => {
    this.reads++;
    return this.clockMs;
  });

  run(turns: number): void {
    for (let count = 0; count < turns; count++) {
      const turn = { startedAt: 0, weight: 0 };
      this.meter.begin(turn);
      this.clockMs += 1;
      this.meter.end(turn, route, "committed");
    }
  }

  /** What was counted, what was measured, and the seconds of the latter. */
  get figures(): { counted: number; measured: number; seconds: number } {
    const [counts, durations] = this.meter.read();
    if (counts?.type !== "counter" || durations?.type !== "histogram") throw new Error("a counter and a histogram");
    const sample = durations.samples.find(({ labels }) => labels.outcome === "committed");
    return {
      counted: counts.samples.find(({ labels }) => labels.outcome === "committed")?.value ?? 0,
      measured: sample?.counts.reduce((sum, count) => sum + count, 0) ?? 0,
      seconds: sample?.sum ?? 0,
    };
  }
}

test("measures each turn while few come at once", () => {
  const bench = new Bench();
  bench.meter.batch(16);
  bench.run(16);
  expect(bench.figures).toEqual({ counted: 16, measured: 16, seconds: 0.016 });
});

test("measures one turn in sixteen while many come at once: it counts for all, and the clock is left alone", () => {
  const bench = new Bench();
  for (let batch = 0; batch < 10; batch++) {
    bench.meter.batch(160);
    bench.run(160);
  }
  expect(bench.figures).toEqual({ counted: 1600, measured: 1600, seconds: 1.6 });
  expect(bench.reads).toBe(2 * 100);
});

test("sees each turn once where batches of both kinds take turns", () => {
  const bench = new Bench();
  for (let batch = 0; batch < 320; batch++) {
    const events = batch % 2 === 0 ? 17 : 3;
    bench.meter.batch(events);
    bench.run(events);
  }
  expect(bench.figures).toMatchObject({ counted: 160 * 20, measured: 160 * 20 });
});

test("a turn that ends after many others have come counts for what it began as", () => {
  const bench = new Bench();
  const slow = { startedAt: 0, weight: 0 };
  bench.meter.begin(slow);
  bench.meter.batch(160);
  bench.run(160);
  bench.meter.end(slow, route, "committed");
  expect(bench.figures).toMatchObject({ counted: 161, measured: 161 });
  expect(bench.figures.seconds).toBeCloseTo(0.32);
});
