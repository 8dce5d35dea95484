// Echoes: what a message costs on its way to a handler and back.

import type { Row } from "../row.ts";

const shape = { workers: 1, gateways: 1 };

interface Closed {
  readonly name: string;
  readonly title: string;
  readonly connections: number;
  readonly window: number;
  readonly payloadBytes: number;
  readonly bound: number;
  readonly aim: number;
}

function closed({ name, title, connections, window, payloadBytes, bound, aim }: Closed): Row {
  return {
    name,
    title,
    connections,
    figures: [{ name: "rate", title: "echoes", unit: "/s", better: "more", goal: { of: "ratio", bound, aim } }],
    measure: (trial) =>
      trial.serve(shape, async (server) => {
        const work = { kind: "echo", window } as const;
        const { rate, outcome } = await trial.load(server, { path: "/echo", connections, payloadBytes, work });
        return { samples: { rate }, faults: outcome.faults };
      }),
  };
}

const many = closed({
  name: "echo",
  title: "echo of 64 bytes, 100 connections × 16 in flight",
  connections: 100,
  window: 16,
  payloadBytes: 64,
  bound: 0.5,
  aim: 0.65,
});

const single = closed({
  name: "single",
  title: "echo of 64 bytes, 1,000 connections × 1 in flight",
  connections: 1000,
  window: 1,
  payloadBytes: 64,
  bound: 0.7,
  aim: 0.85,
});

const large = closed({
  name: "large",
  title: "echo of 16 KiB, 100 connections × 4 in flight",
  connections: 100,
  window: 4,
  payloadBytes: 16 * 1024,
  bound: 0.2,
  aim: 0.35,
});

/**
 * V8 compiles what is called often, and for ten seconds at this rate that takes a core now and then. A gateway runs for months.
 */
const compileSeconds = 10;

const latency: Row = {
  name: "latency",
  title: "echo of 64 bytes, 100 connections × 50 a second",
  connections: 100,
  figures: [
    { name: "p50", title: "p50", unit: "ms", better: "less", goal: { of: "ratio", bound: 3.5 } },
    { name: "p99", title: "p99", unit: "ms", better: "less", goal: { of: "value", bound: 1.5 } },
  ],
  measure: (trial) =>
    trial.serve(shape, async (server) => {
      const work = { kind: "paced", rate: 50 } as const;
      const { rate, outcome } = await trial.load(server, { path: "/echo", connections: 100, work, warmUpSeconds: compileSeconds });
      const { p50Ms, p99Ms } = outcome.latency;
      return { samples: { p50: { ...rate, value: p50Ms }, p99: { ...rate, value: p99Ms } }, faults: outcome.faults };
    }),
};

export const echoRows: readonly Row[] = [many, single, large, latency];
