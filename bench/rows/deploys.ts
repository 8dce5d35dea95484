// Deploys and a crash under load: how long clients have to wait, and that nothing else happens to them.

import { setTimeout as pause } from "node:timers/promises";
import { LoopLags } from "../loop-lags.ts";
import type { Figure, Measurement, Row, Sample } from "../row.ts";
import type { Asked, Trial } from "../trial.ts";

const deploys = 3;
/** Around each deploy, so that it meets a steady system. */
const steadyMs = 500;
/** Messages a second, of all connections together. */
const rate = 5_000;
/** Until a worker that was killed is there again, and has its share of the connections. */
const afterKillMs = 5_000;

const figuresOfMany: readonly Figure[] = [
  { name: "p999", title: "p99.9", unit: "ms", better: "less" },
  { name: "longest", title: "longest", unit: "ms", better: "less" },
  { name: "pause", title: "a connection's pause, median", unit: "ms", better: "less", goal: { of: "value", bound: 5 } },
  { name: "longestPause", title: "… longest", unit: "ms", better: "less", goal: { of: "value", bound: 50 } },
  { name: "lag", title: "event loop of a gateway, p99.9 of its lag at most", unit: "ms", better: "less" },
  { name: "longestLag", title: "… longest at most", unit: "ms", better: "less" },
];

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
    measure: (trial) => measureDeploys(trial, 1, 100),
  },
  {
    name: "deploys-many",
    title: "three deploys, 15,000 connections, 5,000 messages a second in all",
    connections: 15_000,
    isAlone: true,
    figures: figuresOfMany,
    measure: (trial) => measureDeploys(trial, 1, 15_000),
  },
  {
    name: "kill",
    title: "one worker of two killed, 15,000 connections, 5,000 messages a second in all",
    connections: 15_000,
    isAlone: true,
    figures: [
      { name: "longest", title: "longest", unit: "ms", better: "less", goal: { of: "value", bound: 400 } },
      { name: "longestLag", title: "event loop of the gateway, longest lag at most", unit: "ms", better: "less" },
    ],
    measure: measureKill,
  },
  // The last one: for a minute, the ports that its loads were bound to are no other row's.
  {
    name: "deploys-gateways",
    title: "three deploys, 60,000 connections on four gateways, 5,000 messages a second in all",
    // Of a gateway: the system does not share them out quite evenly.
    connections: 16_000,
    isAlone: true,
    figures: figuresOfMany,
    measure: (trial) => measureDeploys(trial, 4, 60_000),
  },
];

function measureDeploys(trial: Trial, gateways: number, connections: number): Promise<Measurement> {
  return trial.serve({ workers: gateways, gateways }, (server) =>
    trial.open(server, pacedLoad(connections), async (load) => {
      load.begin();
      await load.measuring;
      const lags = new LoopLags(server.adminPorts);
      await lags.begin();
      const pauses: number[] = [];
      const longestPauses: number[] = [];
      for (let deploy = 0; deploy < deploys; deploy++) {
        await pause(steadyMs);
        const report = await server.deploy?.();
        pauses.push(report?.pauseP50Ms ?? 0);
        longestPauses.push(report?.pauseLongestMs ?? 0);
      }
      await pause(steadyMs);
      const lag = await lags.end();
      load.stop();
      const { latency, faults } = await load.finished;
      const samples: Record<string, Sample> = {
        p999: { value: latency.p999Ms },
        longest: { value: latency.longestMs },
        pause: { value: Math.max(...pauses) },
        longestPause: { value: Math.max(...longestPauses) },
        lag: { value: lag.p999Ms },
        longestLag: { value: lag.longestMs },
      };
      return { samples, faults };
    }),
  );
}

function measureKill(trial: Trial): Promise<Measurement> {
  return trial.serve({ workers: 2, gateways: 1 }, (server) =>
    trial.open(server, pacedLoad(15_000), async (load) => {
      load.begin();
      await load.measuring;
      const lags = new LoopLags(server.adminPorts);
      await lags.begin();
      await pause(steadyMs);
      const [worker] = server.workerPids;
      if (worker !== undefined) process.kill(worker, "SIGKILL");
      await pause(afterKillMs);
      const lag = await lags.end();
      load.stop();
      const { latency, faults } = await load.finished;
      return { samples: { longest: { value: latency.longestMs }, longestLag: { value: lag.longestMs } }, faults };
    }),
  );
}

function pacedLoad(connections: number): Asked {
  return { path: "/echo", connections, seconds: null, work: { kind: "paced", rate: rate / connections } };
}
