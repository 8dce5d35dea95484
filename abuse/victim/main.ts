// The victim: connections that echo at a steady rate, in a process of their own, so that nothing else makes them wait.

import { setTimeout as pause } from "node:timers/promises";
import type { Failure } from "../../testbed/node-process.ts";
import { patienceMs } from "../../testbed/patience.ts";
import { Echoes } from "./echoes.ts";
import { latencyOf } from "./latency.ts";
import type { Order, Report, VictimOutcome } from "./orders.ts";

const connections = 20;
/** Messages a second of each. */
const rate = 50;

// Whoever has started it has ended.
process.once("disconnect", () => process.exit());

const echoes = Array.from({ length: connections }, () => new Echoes(process.argv[2] ?? ""));
let timer: NodeJS.Timeout | undefined;

async function open(): Promise<Report | Failure> {
  try {
    await Promise.all(echoes.map(({ opened }) => opened));
  } catch (error) {
    return { failed: `the victim could not connect: ${(error as Error).message}` };
  }
  let turn = 0;
  const startedAt = performance.now();
  timer = setInterval(() => {
    for (const due = ((performance.now() - startedAt) / 1000) * rate * connections; turn < due; turn++) echoes[turn % connections]?.send();
  }, 1);
  return { report: "open" };
}

async function settle(): Promise<VictimOutcome> {
  clearInterval(timer);
  for (const deadline = Date.now() + patienceMs; echoes.some(({ isSettled }) => !isSettled) && Date.now() < deadline; ) await pause(20);
  const sum = (count: (one: Echoes) => number) => echoes.reduce((total, one) => total + count(one), 0);
  const outcome = {
    messages: sum(({ sent }) => sent),
    lost: sum(({ sequence, sent }) => sequence.lost(sent)),
    doubled: sum(({ sequence }) => sequence.doubled),
    reordered: sum(({ sequence }) => sequence.reordered),
    disconnected: echoes.flatMap(({ closed }) => closed ?? []),
  };
  for (const one of echoes) one.leave();
  return outcome;
}

function tell(said: Report | Failure): void {
  process.send?.(said);
}

process.on("message", async (order: Order) => {
  if (order === "lap") tell({ report: "lap", latency: latencyOf(echoes.flatMap((one) => one.takeTimes())) });
  else tell({ report: "settled", outcome: await settle() });
});
tell(await open());
