// Connections that say nothing: how fast they are let in, and what each of them takes.

import { setTimeout as pause } from "node:timers/promises";
import { canTellUsage, residentBytesOf } from "../../testbed/usage.ts";
import type { Row } from "../row.ts";

const connections = 10_000;
const shape = { workers: 1, gateways: 1 };
const work = { kind: "idle" } as const;
/** They only wait: nothing is measured over time. */
const still = { warmUpSeconds: 0, seconds: 0 };

const lookMs = 500;
/** Memory has settled when it has moved less than this in so many looks. */
const settledBytes = 256 * 1024;
const settledLooks = 4;
const patienceLooks = 40;

const idle: Row = {
  name: "idle",
  title: "10,000 idle connections",
  connections,
  needsUsage: true,
  figures: [{ name: "bytes", title: "memory of each", unit: "bytes", better: "less", goal: { of: "value", bound: 2500 } }],
  measure: (trial) =>
    trial.serve(shape, async (server) => {
      const before = await settledMemoryOf(server.gatewayPids);
      return trial.open(server, { path: "/echo", connections, work, ...still }, async (load) => {
        const after = await settledMemoryOf(server.gatewayPids);
        load.begin();
        const { faults } = await load.finished;
        return { samples: { bytes: { value: (after - before) / connections } }, faults };
      });
    }),
};

const accept: Row = {
  name: "accept",
  title: "10,000 connections opened at once, each subscribes in onOpen",
  connections,
  figures: [
    { name: "accepted", title: "accepted", unit: "/s", better: "more", goal: { of: "ratio", bound: 0.5 } },
    { name: "opened", title: "onOpen has run", unit: "/s", better: "more" },
  ],
  measure: (trial) =>
    trial.serve(shape, (server) =>
      trial.open(server, { path: "/all", connections, isGreeted: true, work, ...still }, async (load, opened) => {
        load.begin();
        const { faults } = await load.finished;
        const usage = {
          loadShare: opened.cpuSeconds / opened.greetSeconds,
          ...(canTellUsage && { costMicros: (opened.serverSeconds * 1e6) / connections }),
        };
        const samples = {
          accepted: { value: connections / opened.acceptSeconds, ...usage },
          opened: { value: connections / opened.greetSeconds, ...usage },
        };
        return { samples, faults };
      }),
    ),
};

async function settledMemoryOf(pids: readonly number[]): Promise<number> {
  const seen: number[] = [];
  for (let look = 0; look < patienceLooks; look++) {
    seen.push(residentBytesOf(pids));
    const last = seen.slice(-settledLooks);
    if (last.length === settledLooks && Math.max(...last) - Math.min(...last) < settledBytes) break;
    await pause(lookMs);
  }
  return seen.at(-1) ?? 0;
}

export const connectionRows: readonly Row[] = [accept, idle];
