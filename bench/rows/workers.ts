// Handlers that work: the rate grows with the workers until the cores are full.

import { burnMs } from "../handlers/_burn.ts";
import { addFaults, noFaults } from "../load/faults.ts";
import type { Row, Sample } from "../row.ts";

const connections = 100;
const counts = [1, 2, 4];

export const workersRow: Row = {
  name: "workers",
  title: `echo by a handler that takes ${burnMs * 1000} µs, 100 connections × 4 in flight`,
  connections,
  figures: counts.map((count) => ({
    name: nameOf(count),
    title: count === 1 ? "1 worker" : `${count} workers`,
    unit: "/s",
    better: "more",
  })),
  async measure(trial) {
    const samples: Record<string, Sample> = {};
    let faults = noFaults;
    // The bare server is one process, however many workers it is compared with.
    for (const workers of trial.side.isBare ? [1] : counts) {
      await trial.serve({ workers, gateways: 1 }, async (server) => {
        const { rate, outcome } = await trial.load(server, { path: "/burn", connections, work: { kind: "echo", window: 4 } });
        samples[nameOf(workers)] = rate;
        faults = addFaults(faults, outcome.faults);
      });
    }
    const [one] = Object.values(samples);
    return { samples: Object.fromEntries(counts.map((count) => [nameOf(count), samples[nameOf(count)] ?? (one as Sample)])), faults };
  },
};

function nameOf(count: number): string {
  return `workers-${count}`;
}
