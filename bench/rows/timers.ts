// Timers that come due all at once: what each of them costs, and whether a gateway's event loop goes on meanwhile.

import { setTimeout as pause } from "node:timers/promises";
import { canTellUsage, cpuSecondsOf } from "../../testbed/usage.ts";
import { noFaults } from "../load/faults.ts";
import { LoopLags } from "../loop-lags.ts";
import type { Row } from "../row.ts";
import { newerHandlers } from "../side.ts";

const connections = 10_000;
/** As bench/newer-handlers/timer.ts sets them. */
const timers = 10 * connections;
/** Until they come due: all connections are open long before. */
const leadMs = 20_000;
const lookMs = 100;
const patienceMs = 60_000;

export const timersRow: Row = {
  name: "timers",
  title: "100,000 timers of 10,000 connections come due at once, and each is set again",
  connections,
  isAlone: true,
  needsUsage: true,
  figures: [
    { name: "cost", title: "CPU of a timer's turn, with its next setTimer", unit: "µs", better: "less" },
    { name: "last", title: "the last one's turn, after its time", unit: "ms", better: "less" },
    { name: "longestLag", title: "event loop of the gateway, longest lag at most", unit: "ms", better: "less" },
  ],
  measure: (trial) =>
    trial.serve({ workers: 1, gateways: 1, handlersDir: newerHandlers }, (server) => {
      const at = Date.now() + leadMs;
      const path = `/timer/${at}`;
      return trial.open(server, { path, connections, isGreeted: true, work: { kind: "idle" } }, async () => {
        const lookAt = at - Date.now() - 2 * lookMs;
        if (lookAt < 0) throw new Error(`the connections were not open within ${leadMs} ms`);
        await pause(lookAt);
        const lags = new LoopLags(server.adminPorts);
        await lags.begin();
        const before = cpuSecondsOf(server.pids);
        let seen = { fired: 0, lastLateMs: 0 };
        while (seen.fired < timers) {
          if (Date.now() > at + patienceMs) throw new Error(`${seen.fired} timers of ${timers} have come due`);
          await pause(lookMs);
          seen = (await (await fetch(`http://${server.host}:${server.port}${path}`)).json()) as typeof seen;
        }
        const cpuSeconds = canTellUsage ? cpuSecondsOf(server.pids) - before : Number.NaN;
        const { longestMs } = await lags.end();
        const samples = {
          cost: { value: (cpuSeconds * 1e6) / timers },
          last: { value: seen.lastLateMs },
          longestLag: { value: longestMs },
        };
        return { samples, faults: noFaults };
      });
    }),
};
