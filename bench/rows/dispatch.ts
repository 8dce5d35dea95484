// What grows with the number of connections, in the dispatcher alone: nothing may grow into a block of the event loop.

import { noFaults } from "../load/faults.ts";
import type { Figure, Row } from "../row.ts";

/** Of idle connections, in one process. Times in milliseconds; a block is the longest time without the event loop. */
export interface DispatchFigures {
  /** Of JavaScript's heap, for each connection. */
  readonly bytes: number;
  /** All of them open, one after the other. */
  readonly openMs: number;
  readonly openBlockMs: number;
  /** A third worker joins two: a third of the connections moves. */
  readonly joinMs: number;
  readonly joinBlockMs: number;
  /** A worker of three is killed. */
  readonly loseMs: number;
  readonly loseBlockMs: number;
  /** Another release: all move. */
  readonly activateMs: number;
  readonly activateBlockMs: number;
  /** Looking for what has waited too long, and counting for a hello. */
  readonly sweepMs: number;
}

const blockGoal = { of: "value", bound: 10 } as const;

const figures: readonly Figure[] = [
  { name: "bytes", title: "heap of each", unit: "bytes", better: "less", goal: { of: "value", bound: 500 } },
  { name: "openMs", title: "all open", unit: "ms", better: "less" },
  { name: "openBlockMs", title: "… longest block", unit: "ms", better: "less", goal: blockGoal },
  { name: "joinMs", title: "a worker joins", unit: "ms", better: "less" },
  { name: "joinBlockMs", title: "… longest block", unit: "ms", better: "less", goal: blockGoal },
  { name: "loseMs", title: "a worker is lost", unit: "ms", better: "less" },
  { name: "loseBlockMs", title: "… longest block", unit: "ms", better: "less", goal: blockGoal },
  { name: "activateMs", title: "a release is activated, and all have moved", unit: "ms", better: "less" },
  { name: "activateBlockMs", title: "… longest block", unit: "ms", better: "less", goal: blockGoal },
  { name: "sweepMs", title: "sweep and hello", unit: "ms", better: "less", goal: blockGoal },
];

function rowOf(name: string, connections: number): Row {
  return {
    name,
    title: `dispatcher with ${connections.toLocaleString("en")} idle connections`,
    // In process: none is a file.
    connections: 0,
    isAlone: true,
    figures,
    async measure(trial) {
      const found = await trial.inProcess<DispatchFigures>("bench/dispatch/main.ts", [String(connections)]);
      const samples = Object.fromEntries(Object.entries(found).map(([figure, value]) => [figure, { value }]));
      return { samples, faults: noFaults };
    },
  };
}

export const dispatchRows: readonly Row[] = [
  rowOf("dispatch-10k", 10_000),
  rowOf("dispatch-100k", 100_000),
  rowOf("dispatch-1m", 1_000_000),
];
