// Publishes: what a delivery costs, to many subscribers of one topic and to few of many.

import { addFaults, noFaults } from "../load/faults.ts";
import type { Figure, Row, Sample } from "../row.ts";
import { newerHandlers } from "../side.ts";

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

const keptPublishes: Row = {
  name: "kept-publishes",
  title: "publish to 100 topics of 10 that keep 100 messages each, 1 under way in each",
  connections: 1_000,
  isAlone: true,
  needsUsage: true,
  figures: [
    { name: "publishes", title: "publishes, stored", unit: "/s", better: "more" },
    { name: "cost", title: "CPU of a delivery", unit: "µs", better: "less" },
  ],
  measure: (trial) =>
    trial.serve({ workers: 1, gateways: 1, handlersDir: newerHandlers }, async (server) => {
      const work = { kind: "publish", window: 1, topics: 100 } as const;
      const { rate, outcome } = await trial.load(server, { path: "/kept/:topic", connections: 1_000, isGreeted: true, work });
      const publishes = { ...rate, value: rate.value / 10 };
      return { samples: { publishes, cost: { ...rate, value: rate.costMicros ?? Number.NaN } }, faults: outcome.faults };
    }),
};

/** Ten subscribers each, so that the topics are all that differs. */
const topicCounts = [
  { topics: 10, connections: 100, each: 1 },
  { topics: 1_000, connections: 10_000, each: 1 },
  { topics: 100_000, connections: 10_000, each: 100 },
];
const gatewayCounts = [1, 2, 4];

const fanOut: Row = {
  name: "fan-out",
  title: "publish to topics of 10, 1 under way in each group",
  connections: 10_000,
  isAlone: true,
  needsUsage: true,
  figures: [
    ...topicCounts.map(({ topics }) => costOf(`topics-${topics}`, `CPU of a delivery, ${topics.toLocaleString("en")} topics`)),
    ...gatewayCounts.map((count) => costOf(`gateways-${count}`, `CPU of a delivery, 1,000 topics, ${count} gateways`)),
  ],
  async measure(trial) {
    const samples: Record<string, Sample> = {};
    let faults = noFaults;
    const one = async (name: string, { topics, connections, each }: (typeof topicCounts)[number], gateways: number) => {
      await trial.serve({ workers: 1, gateways }, async (server) => {
        const work = { kind: "publish", window: 1, topics: topics / each } as const;
        const { rate, outcome } = await trial.load(server, { path: `/group/${each}/:topic`, connections, isGreeted: true, work });
        samples[name] = { ...rate, value: rate.costMicros ?? Number.NaN };
        faults = addFaults(faults, outcome.faults);
      });
    };
    for (const shape of topicCounts) await one(`topics-${shape.topics}`, shape, 1);
    for (const count of gatewayCounts) await one(`gateways-${count}`, { topics: 1_000, connections: 10_000, each: 1 }, count);
    return { samples, faults };
  },
};

function costOf(name: string, title: string): Figure {
  return { name, title, unit: "µs", better: "less" };
}

export const topicRows: readonly Row[] = [publish, topics, fanOut, keptPublishes];
