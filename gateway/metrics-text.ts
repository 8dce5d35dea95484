// Prometheus' text format, which prom-client writes.

import { AggregatorRegistry, type Registry } from "prom-client";
import type { Metric } from "../process/metric.ts";

export const metricsTextType = "text/plain; version=0.0.4; charset=utf-8";

/** @param sources metrics of one name may come from several sources, each with other labels. */
export function metricsText(sources: readonly (readonly Metric[])[]): Promise<string> {
  const registry: Registry = AggregatorRegistry.aggregate(sources.map((metrics) => metrics.map(familyOf)));
  return registry.metrics();
}

/** As prom-client's getMetricsAsJSON has it. Samples with the same labels are added up: there are none. */
function familyOf(metric: Metric): object {
  const { name, help, type } = metric;
  const values = metric.type === "histogram" ? histogramValues(metric) : metric.samples;
  return { name, help, type, values, aggregator: "sum" };
}

function histogramValues({ name, bounds, samples }: Metric & { type: "histogram" }): object[] {
  return samples.flatMap(({ labels, counts, sum }) => {
    let below = 0;
    const buckets = counts.map((count, index) => {
      below += count;
      return { labels: { ...labels, le: bounds[index] ?? "+Inf" }, value: below, metricName: `${name}_bucket` };
    });
    return [...buckets, { labels, value: sum, metricName: `${name}_sum` }, { labels, value: below, metricName: `${name}_count` }];
  });
}
