// Was a process slow, or did it get no processor time? Told afterwards, by what the machine's processors had left.

import { cpus } from "node:os";

/** Of one processor: with a quarter of one left over, whoever wanted to run could. */
const leastIdle = 0.25;

export interface ProcessorTimes {
  /** How many there are; 0 where the system does not tell. */
  readonly count: number;
  /** How long they have been idle since the machine started, all together. */
  readonly idleMs: number;
}

export function processorTimes(): ProcessorTimes {
  const all = cpus();
  return { count: all.length, idleMs: all.reduce((sum, { times }) => sum + times.idle, 0) };
}

/** Watches the whole machine from its construction on. */
export class ProcessorWatch {
  private readonly read: () => ProcessorTimes;
  private readonly now: () => number;
  private readonly startedAt: number;
  private readonly before: ProcessorTimes;

  constructor(read = processorTimes, now: () => number = () => performance.now()) {
    this.read = read;
    this.now = now;
    this.startedAt = now();
    this.before = read();
  }

  /** @returns "the machine is busy (its 2 processors were idle for 1 % of the time)"; undefined where there was time to spare. */
  busyText(): string | undefined {
    const { count, idleMs } = this.read();
    const wallMs = Math.max(1, this.now() - this.startedAt);
    const idle = (idleMs - this.before.idleMs) / wallMs;
    if (count === 0 || idle >= leastIdle) return undefined;
    const name = count === 1 ? "its processor was" : `its ${count} processors were`;
    return `the machine is busy (${name} idle for ${Math.max(0, Math.round((100 * idle) / count))} % of the time)`;
  }
}
