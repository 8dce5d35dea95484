// What a gateway pays for the others: each member says hello to all, about once a second.

import { setTimeout as pause } from "node:timers/promises";
import { canTellUsage, cpuSecondsOf } from "../../testbed/usage.ts";
import { noFaults } from "../load/faults.ts";
import { Members } from "../members.ts";
import type { Row, Sample } from "../row.ts";

const counts = [10, 100, 1_000];
const steadyMs = 2_000;
const measuredMs = 5_000;

export const membersRow: Row = {
  name: "members",
  title: "a gateway with so many other members, each saying hello once a second",
  connections: 0,
  isAlone: true,
  needsUsage: true,
  figures: counts.map((count) => ({
    name: nameOf(count),
    title: `CPU a second, ${count.toLocaleString("en")} members`,
    unit: "ms",
    better: "less",
  })),
  measure: (trial) =>
    trial.serve({ workers: 1, gateways: 1 }, async (server) => {
      if (server.nats === undefined) throw new Error("members meet over NATS");
      const samples: Record<string, Sample> = {};
      for (const count of counts) {
        const members = await Members.join(server.nats, count);
        await pause(steadyMs);
        const before = canTellUsage ? cpuSecondsOf(server.gatewayPids) : 0;
        const begun = performance.now();
        await pause(measuredMs);
        const seconds = (performance.now() - begun) / 1000;
        const after = canTellUsage ? cpuSecondsOf(server.gatewayPids) : Number.NaN;
        samples[nameOf(count)] = { value: ((after - before) * 1000) / seconds };
        await members.leave();
      }
      return { samples, faults: noFaults };
    }),
};

function nameOf(count: number): string {
  return `members-${count}`;
}
