// How long it takes to list the members of a large topic, as a handler sees it.

import { noFaults } from "../load/faults.ts";
import type { Row } from "../row.ts";
import { newerHandlers } from "../side.ts";

const connections = 10_000;
const questions = 50;

export const presenceRow: Row = {
  name: "presence",
  title: "app.members of a topic with 10,000 members, two gateways",
  connections,
  isAlone: true,
  figures: [
    { name: "median", title: "app.members, median", unit: "ms", better: "less", goal: { of: "value", bound: 50 } },
    { name: "longest", title: "app.members, longest of 50", unit: "ms", better: "less" },
  ],
  measure: (trial) =>
    trial.serve({ workers: 1, gateways: 2, handlersDir: newerHandlers }, (server) =>
      trial.open(server, { path: "/member", connections, isGreeted: true, work: { kind: "idle" } }, async () => {
        const url = `http://${server.host}:${server.port}/member?times=${questions}`;
        const { count, took } = (await (await fetch(url)).json()) as { count: number; took: number[] };
        if (count !== connections) throw new Error(`${count} members were listed, of ${connections}`);
        const sorted = took.toSorted((a, b) => a - b);
        const at = (share: number) => ({ value: sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN });
        return { samples: { median: at(0.5), longest: at(1) }, faults: noFaults };
      }),
    ),
};
