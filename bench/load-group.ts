// A load of more connections than one process may have files for: several load processes, each with a part of them.

import { addFaults, noFaults } from "./load/faults.ts";
import type { Job, Latency, Opening, Outcome } from "./load/job.ts";
import { Load } from "./load-process.ts";

/** Also below the number of ports from which one address can reach one server: 28,232 on Linux. */
export const connectionsOfProcess = 15_000;

/** What both one load process and a group of them are to a row. */
export type AnyLoad = Pick<Load, "opened" | "measuring" | "measured" | "finished" | "begin" | "stop" | "end">;

export function startLoad(job: Job): AnyLoad {
  return job.connections <= connectionsOfProcess ? new Load(job) : new LoadGroup(partsOf(job));
}

/**
 * Each part has a loopback address of its own, since a server tells connections apart by address and port; not 127.0.0.1, whose ports the
 * next row may need while the system still keeps those that were bound.
 */
export function partsOf(job: Job): Job[] {
  const parts = Math.ceil(job.connections / connectionsOfProcess);
  return Array.from({ length: parts }, (_, index) => ({
    ...job,
    localAddress: `127.0.0.${index + 2}`,
    connections: Math.floor(((index + 1) * job.connections) / parts) - Math.floor((index * job.connections) / parts),
  }));
}

class LoadGroup implements AnyLoad {
  readonly opened: Promise<Opening>;
  readonly measuring: Promise<true>;
  readonly measured: Promise<true>;
  readonly finished: Promise<Outcome>;
  private readonly loads: readonly Load[];

  constructor(jobs: readonly Job[]) {
    const loads = jobs.map((job) => new Load(job));
    this.loads = loads;
    this.opened = all(loads.map(({ opened }) => opened)).then(wholeOpening);
    this.measuring = all(loads.map(({ measuring }) => measuring)).then(() => true);
    this.measured = all(loads.map(({ measured }) => measured)).then(() => true);
    this.finished = all(loads.map(({ finished }) => finished)).then(wholeOutcome);
    for (const event of [this.opened, this.measuring, this.measured, this.finished]) event.catch(() => undefined);
  }

  begin(): void {
    for (const load of this.loads) load.begin();
  }

  stop(): void {
    for (const load of this.loads) load.stop();
  }

  async end(): Promise<void> {
    await Promise.all(this.loads.map((load) => load.end()));
  }
}

function all<T>(promises: ReadonlyArray<Promise<T>>): Promise<T[]> {
  return Promise.all(promises);
}

function wholeOpening(openings: readonly Opening[]): Opening {
  return {
    acceptSeconds: Math.max(...openings.map(({ acceptSeconds }) => acceptSeconds)),
    greetSeconds: Math.max(...openings.map(({ greetSeconds }) => greetSeconds)),
    cpuSeconds: sum(openings.map(({ cpuSeconds }) => cpuSeconds)),
  };
}

/** Of the latencies, each is the highest that one process has seen: the quantiles of all messages are not above that. */
export function wholeOutcome(outcomes: readonly Outcome[]): Outcome {
  const highest = (name: keyof Latency) => Math.max(...outcomes.map(({ latency }) => latency[name]));
  return {
    messages: sum(outcomes.map(({ messages }) => messages)),
    seconds: Math.max(...outcomes.map(({ seconds }) => seconds)),
    cpuSeconds: sum(outcomes.map(({ cpuSeconds }) => cpuSeconds)),
    latency: { p50Ms: highest("p50Ms"), p99Ms: highest("p99Ms"), p999Ms: highest("p999Ms"), longestMs: highest("longestMs") },
    faults: outcomes.map(({ faults }) => faults).reduce(addFaults, noFaults),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
