// Deploys under load: how long clients have to wait, and that nothing else happens to them.

import { setTimeout as pause } from "node:timers/promises";
import type { Row, Sample } from "../row.ts";

const deploys = 3;
/** Around each deploy, so that it meets a steady system. */
const steadyMs = 500;
/** Messages a second, of all connections together. */
const rate = 5_000;

export const deployRows: readonly Row[] = [
  {
    name: "deploys",
    title: "three deploys, 100 connections × 50 a second",
    connections: 100,
    isAlone: true,
    figures: [
      { name: "p999", title: "p99.9", unit: "ms", better: "less", goal: { of: "value", bound: 50 } },
      { name: "longest", title: "longest", unit: "ms", better: "less" },
    ],
    measure: (trial) => measure(trial, 100),
  },
  {
    name: "deploys-many",
    title: "three deploys, 15,000 connections, 5,000 messages a second in all",
    connections: 15_000,
    isAlone: true,
    figures: [
      { name: "p999", title: "p99.9", unit: "ms", better: "less" },
      { name: "longest", title: "longest", unit: "ms", better: "less" },
      { name: "pause", title: "a connection's pause, median", unit: "ms", better: "less", goal: { of: "value", bound: 5 } },
      { name: "longestPause", title: "… longest", unit: "ms", better: "less", goal: { of: "value", bound: 50 } },
    ],
    measure: (trial) => measure(trial, 15_000),
  },
];

const measure = (trial: Parameters<Row["measure"]>[0], connections: number) =>
  trial.serve({ workers: 1, gateways: 1 }, (server) => {
    const asked = { path: "/echo", connections, seconds: null, work: { kind: "paced", rate: rate / connections } } as const;
    return trial.open(server, asked, async (load) => {
      load.begin();
      await load.measuring;
      const pauses: number[] = [];
      const longestPauses: number[] = [];
      for (let deploy = 0; deploy < deploys; deploy++) {
        await pause(steadyMs);
        const report = await server.deploy?.();
        pauses.push(report?.pauseP50Ms ?? 0);
        longestPauses.push(report?.pauseLongestMs ?? 0);
      }
      await pause(steadyMs);
      load.stop();
      const { latency, faults } = await load.finished;
      const samples: Record<string, Sample> = {
        p999: { value: latency.p999Ms },
        longest: { value: latency.longestMs },
        pause: { value: Math.max(...pauses) },
        longestPause: { value: Math.max(...longestPauses) },
      };
      return { samples, faults };
    });
  });
