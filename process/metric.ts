// What a process measures of itself, as plain data: gateways put it into Prometheus' text format, workers send it to them.
// Figures are kept as plain numbers where they arise, and read only when somebody asks.

import * as v from "valibot";

const labels = v.record(v.pipe(v.string(), v.regex(/^[a-z_]+$/)), v.string());
const head = { name: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]*$/)), help: v.string() };

/** One metric with all its label values. Names and units follow https://prometheus.io/docs/practices/naming/. */
export const metric = v.variant("type", [
  v.object({ type: v.picklist(["counter", "gauge"]), ...head, samples: v.array(v.object({ labels, value: v.number() })) }),
  v.object({
    type: v.literal("histogram"),
    ...head,
    /** Upper bounds of the buckets, growing. A last bucket, without a bound, has what is above. */
    bounds: v.array(v.number()),
    /** Each bucket's own count (not what is below it, too), and the sum of all values. */
    samples: v.array(v.object({ labels, counts: v.array(v.number()), sum: v.number() })),
  }),
]);

export type Metric = v.InferOutput<typeof metric>;
export type Labels = Readonly<Record<string, string>>;

/** Something that only grows, from 0 at the process' start. */
export function counter(name: string, help: string, value: number | Iterable<readonly [Labels, number]>): Metric {
  return { type: "counter", name, help, samples: samplesOf(value) };
}

export function gauge(name: string, help: string, value: number | Iterable<readonly [Labels, number]>): Metric {
  return { type: "gauge", name, help, samples: samplesOf(value) };
}

/** A count for each value of one label, as kept in an object. */
export function by(label: string, counts: Readonly<Record<string, number>>): Array<readonly [Labels, number]> {
  return Object.entries(counts).map(([value, count]) => [{ [label]: value }, count]);
}

function samplesOf(value: number | Iterable<readonly [Labels, number]>) {
  if (typeof value === "number") return [{ labels: {}, value }];
  return Array.from(value, ([sampleLabels, sample]) => ({ labels: { ...sampleLabels }, value: sample }));
}
