// The load of a comparison with another server, in a process of its own: opens its connections, works for a while and tells what came back.

import { setTimeout as pause } from "node:timers/promises";
import type { Failure } from "../../testbed/node-process.ts";
import { patienceMs } from "../../testbed/patience.ts";
import { canTellUsage, cpuSecondsOf, machineSeconds } from "../../testbed/usage.ts";
import type { Faults } from "../load/faults.ts";
import { Speaker, type Tally } from "./speaker.ts";
import { type Work, type Workload, workloadFor } from "./workloads.ts";

export interface LoadJob {
  readonly host: string;
  readonly port: number;
  /** Of the server. */
  readonly pids: readonly number[];
  readonly work: Work;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

export interface LoadFigures {
  /** Answers, or deliveries, a second. */
  readonly rate: number;
  /** Of one core, taken by this load. */
  readonly loadShare: number;
  /** Of one core, taken by all of the server. */
  readonly serverShare: number;
  /** Of all cores, taken by processes that have no part in it. */
  readonly elsewhereShare: number;
  readonly faults: Faults;
}

/** What one read takes at most. */
const bufferBytes = 256 * 1024;
const lookMs = 10;
/** What has not come by then is lost. */
const lostAfterMs = 10_000;

const tally: Tally = { buffer: new Uint8Array(bufferBytes), ready: 0, malformed: 0, disconnected: 0, refusal: undefined };

async function measure({ host, port, pids, work, warmUpSeconds, seconds }: LoadJob): Promise<LoadFigures> {
  const workload = workloadFor(work, (opening) => new Speaker({ host, port }, opening, tally));
  const { speakers } = workload;
  for (const deadline = Date.now() + patienceMs; tally.ready < speakers.length; await pause(lookMs)) {
    if (tally.refusal !== undefined) throw new Error(`a connection was refused: ${tally.refusal}`);
    if (Date.now() > deadline) throw new Error(`${tally.ready} of ${speakers.length} connections were let in`);
  }
  workload.begin();
  await pause(warmUpSeconds * 1000);
  const usageBetween = usage(pids);
  const [answers, startedAt] = [workload.answers, performance.now()];
  await pause(seconds * 1000);
  const measuredSeconds = (performance.now() - startedAt) / 1000;
  const rate = (workload.answers - answers) / measuredSeconds;
  const shares = usageBetween(measuredSeconds);
  workload.stop();
  for (const deadline = Date.now() + lostAfterMs; workload.lost() > 0 && Date.now() < deadline; ) await pause(lookMs);
  const faults = faultsOf(workload);
  for (const speaker of speakers) speaker.leave();
  return { rate, ...shares, faults };
}

/** @returns what tells how much was used since now. */
function usage(pids: readonly number[]) {
  const [load0, server0, machine0] = [process.cpuUsage(), cpuSecondsOf(pids), machineSeconds()];
  return (seconds: number): Pick<LoadFigures, "loadShare" | "serverShare" | "elsewhereShare"> => {
    const { user, system } = process.cpuUsage(load0);
    const load = (user + system) / 1e6;
    const server = cpuSecondsOf(pids) - server0;
    const { busy, all } = machineSeconds();
    const elsewhereShare = canTellUsage ? Math.max(0, busy - machine0.busy - load - server) / (all - machine0.all) : 0;
    return { loadShare: load / seconds, serverShare: server / seconds, elsewhereShare };
  };
}

function faultsOf(workload: Workload): Faults {
  const { malformed, disconnected } = tally;
  return { lost: workload.lost(), doubled: workload.doubled, reordered: workload.reordered, malformed, disconnected };
}

process.once("disconnect", () => process.exit());
process.send?.(await measure(JSON.parse(process.argv[2] ?? "") as LoadJob).catch((error: Error): Failure => ({ failed: error.message })));
process.disconnect();
