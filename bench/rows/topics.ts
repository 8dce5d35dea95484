// Publishes: what a delivery costs, to many subscribers of one topic and to few of many.

import type { Row } from "../row.ts";

const publish: Row = {
  name: "publish",
  title: "publish to a topic of 1,000, 8 under way",
  connections: 1000,
  figures: [{ name: "deliveries", title: "deliveries", unit: "/s", better: "more", goal: { of: "ratio", bound: 0.8 } }],
  measure: (trial) =>
    trial.serve({ workers: 1, gateways: 1 }, async (server) => {
      const work = { kind: "publish", window: 8, topics: 1 } as const;
      const { rate, outcome } = await trial.load(server, { path: "/all", connections: 1000, isGreeted: true, work });
      return { samples: { deliveries: rate }, faults: outcome.faults };
    }),
};

const topics: Row = {
  name: "topics",
  title: "publish to 1,000 topics of 10, 1 under way in each, two gateways",
  connections: 10_000,
  needsUsage: true,
  figures: [
    { name: "deliveries", title: "deliveries", unit: "/s", better: "more" },
    { name: "cost", title: "CPU of a delivery", unit: "µs", better: "less", goal: { of: "cost", row: "publish", bound: 2 } },
  ],
  measure: (trial) =>
    trial.serve({ workers: 1, gateways: 2 }, async (server) => {
      const work = { kind: "publish", window: 1, topics: 1000 } as const;
      const { rate, outcome } = await trial.load(server, { path: "/topic/:topic", connections: 10_000, isGreeted: true, work });
      return { samples: { deliveries: rate, cost: { ...rate, value: rate.costMicros ?? Number.NaN } }, faults: outcome.faults };
    }),
};

export const topicRows: readonly Row[] = [publish, topics];
