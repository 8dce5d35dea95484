// Deploys under load: how long clients have to wait, and that nothing else happens to them.

import { setTimeout as pause } from "node:timers/promises";
import type { Row } from "../row.ts";

const deploys = 3;
/** Around each deploy, so that it meets a steady system. */
const steadyMs = 500;

export const deploysRow: Row = {
  name: "deploys",
  title: "three deploys, 100 connections × 50 a second",
  connections: 100,
  isAlone: true,
  figures: [
    { name: "p999", title: "p99.9", unit: "ms", better: "less", goal: { of: "value", bound: 50 } },
    { name: "longest", title: "longest", unit: "ms", better: "less" },
  ],
  measure: (trial) =>
    trial.serve({ workers: 1, gateways: 1 }, async (server) => {
      const asked = { path: "/echo", connections: 100, seconds: null, work: { kind: "paced", rate: 50 } } as const;
      return trial.open(server, asked, async (load) => {
        load.begin();
        await load.measuring;
        for (let deploy = 0; deploy < deploys; deploy++) {
          await pause(steadyMs);
          await server.deploy?.();
        }
        await pause(steadyMs);
        load.stop();
        const { latency, faults } = await load.finished;
        return { samples: { p999: { value: latency.p999Ms }, longest: { value: latency.longestMs } }, faults };
      });
    }),
};
