// One measurement of a row on one side: what rows put together.

import { commonFlags, gatewayFlags } from "../supervisor/node-flags.ts";
import { Child } from "../testbed/node-process.ts";
import { canTellUsage, cpuSecondsOf, type MachineSeconds, machineSeconds } from "../testbed/usage.ts";
import type { Job, Opening, Outcome } from "./load/job.ts";
import { type AnyLoad, startLoad } from "./load-group.ts";
import type { Sample } from "./row.ts";
import type { Running } from "./running.ts";
import type { BenchShape, Server, Side } from "./side.ts";

/** What a row has to say about its load. */
export type Asked = Pick<Job, "path" | "connections" | "work"> & Partial<Job>;

export interface LoadRun {
  readonly outcome: Outcome;
  /** Of messages. */
  readonly rate: Sample;
}

export interface Opened extends Opening {
  /** Of the serving processes: what they took for it. */
  readonly serverSeconds: number;
}

export interface TrialOptions {
  readonly side: Side;
  /** What is measured for a time is measured for so long. */
  readonly seconds: number;
  readonly running: Running;
}

const payloadBytes = 64;
const warmUpSeconds = 1;
const patienceSeconds = 10;

export class Trial {
  readonly side: Side;
  private readonly seconds: number;
  private readonly running: Running;

  constructor({ side, seconds, running }: TrialOptions) {
    this.side = side;
    this.seconds = seconds;
    this.running = running;
  }

  /** Starts the side's server, and ends it afterwards. */
  serve<T>(shape: BenchShape, action: (server: Server) => Promise<T>): Promise<T> {
    return this.running.use(this.side.start(shape), action);
  }

  /** Runs a script of the side's own clone as a gateway runs, to measure something within its process. @returns what it tells. */
  inProcess<T extends object>(script: string, args: readonly string[]): Promise<T> {
    const { clone } = this.side;
    return this.running.use(Promise.resolve(new Child<T>(script, args, clone, [...commonFlags, ...gatewayFlags])), (child) =>
      child.hears((figures) => figures),
    );
  }

  /** Opens a load's connections on a server, and ends them afterwards. */
  open<T>(server: Server, asked: Asked, action: (load: AnyLoad, opened: Opened) => Promise<T>): Promise<T> {
    const { host, port } = server;
    const job = { host, port, payloadBytes, isGreeted: false, warmUpSeconds, patienceSeconds, seconds: this.seconds, ...asked };
    const before = cpuSecondsOf(server.pids);
    return this.running.use(Promise.resolve(startLoad(job)), async (load) => {
      const opening = await load.opened;
      return action(load, { ...opening, serverSeconds: cpuSecondsOf(server.pids) - before });
    });
  }

  /** Puts a load on a server, from its first connection to its last answer. */
  load(server: Server, asked: Asked): Promise<LoadRun> {
    return this.open(server, asked, async (load) => {
      load.begin();
      await load.measuring;
      const [server0, machine0] = [cpuSecondsOf(server.pids), machineSeconds()];
      await load.measured;
      const [server1, machine1] = [cpuSecondsOf(server.pids), machineSeconds()];
      const outcome = await load.finished;
      const machine = { busy: machine1.busy - machine0.busy, all: machine1.all - machine0.all };
      return { outcome, rate: { ...rateOf(outcome), ...(canTellUsage && usageOf(outcome, server1 - server0, machine)) } };
    });
  }
}

function rateOf({ messages, seconds, cpuSeconds }: Outcome) {
  return { value: messages / seconds, loadShare: cpuSeconds / seconds };
}

function usageOf({ messages, cpuSeconds }: Outcome, serverSeconds: number, machine: MachineSeconds) {
  return {
    costMicros: (serverSeconds * 1e6) / messages,
    elsewhereShare: Math.max(0, machine.busy - serverSeconds - cpuSeconds) / machine.all,
  };
}
