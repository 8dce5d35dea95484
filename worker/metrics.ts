// What a worker measures. It has no port of its own: a gateway asks for it, and adds the worker's id and release.

import { counter, gauge, type Metric } from "../process/metric.ts";
import { encodeScraped, parseScrape } from "../process/scrape.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import type { Worker } from "./worker.ts";

/** Answers whichever gateway asks. */
export function answerScrapes(worker: Worker): void {
  const { id, config, bus, recentErrors } = worker.options;
  const subjects = subjectsOf(config.NAMESPACE);
  bus.subscribe(subjects.scrape, ({ payload }) => {
    const { to, number, errorsAfter } = parseScrape(payload);
    if (errorsAfter !== undefined) {
      const errors = recentErrors.after(errorsAfter[id] ?? 0);
      if (errors.length > 0) bus.publish(subjects.scraped(to), encodeScraped({ from: id, number, metrics: [], errors }));
      return;
    }
    bus.publish(subjects.scraped(to), encodeScraped({ from: id, number, metrics: workerMetrics(worker) }));
  });
}

function workerMetrics({ turns, connections, hub, refusals, onStart, gatewayLostHooks, meter }: Worker): Metric[] {
  return [
    ...turns.meter.read(),
    refusals.read(),
    gauge("thinstate_worker_held_connections", "Connections that the worker has, of all gateways.", connections),
    counter("thinstate_worker_start_failures_total", "Times that an onStart has thrown or taken too long.", onStart.failed),
    counter("thinstate_worker_gateway_lost_failures_total", "How often an onGatewayLost threw or took too long.", gatewayLostHooks.failed),
    counter("thinstate_worker_link_retransmitted_batches_total", "Batches that were sent to gateways again.", hub.counters.retransmitted),
    ...meter.read(),
  ];
}
