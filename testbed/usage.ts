// What processes use of a machine: processor time and memory, as Linux tells of them in /proc.

import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { statFields } from "../process/proc-stat.ts";

/** Source: proc(5), stat: clock ticks, a hundredth of a second wherever Node runs on Linux. */
const ticksPerSecond = 100;
/** Among what statFields finds. */
const userTicksIndex = 11;
const systemTicksIndex = 12;

/** Whether this system tells. */
export const canTellUsage = process.platform === "linux";

/** Processor time of all of them together, with their threads, since they have started; 0 where the system does not tell. */
export function cpuSecondsOf(pids: readonly number[]): number {
  if (!canTellUsage) return 0;
  return pids.reduce((sum, pid) => sum + parseCpuSeconds(readFileSync(`/proc/${pid}/stat`, "utf8")), 0);
}

/** Those that run in a process group now. Source: proc(5), stat: state, parent, group. */
export function pidsOfGroup(group: number): number[] {
  if (!canTellUsage) return [];
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => Number(groupOf(pid)) === group).map(Number);
}

function groupOf(pid: string): string | undefined {
  try {
    return statFields(readFileSync(`/proc/${pid}/stat`, "utf8"))[2];
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
}

export function parseCpuSeconds(stat: string): number {
  const fields = statFields(stat);
  return (Number(fields[userTicksIndex]) + Number(fields[systemTicksIndex])) / ticksPerSecond;
}

export interface MachineSeconds {
  readonly busy: number;
  /** What was there: as much on each core. */
  readonly all: number;
}

/** Of all cores and everybody on them, since the machine has started. */
export function machineSeconds(): MachineSeconds {
  const times = cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({ busy: user + nice + sys + irq, idle }));
  const busy = times.reduce((sum, core) => sum + core.busy, 0) / 1000;
  return { busy, all: busy + times.reduce((sum, core) => sum + core.idle, 0) / 1000 };
}

/** Files and sockets of a process; 0 where it has ended, or the system does not tell. */
export function openFilesOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

/** Memory that is really there, of all of them together; one that has ended has none. */
export function residentBytesOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + residentBytes(pid), 0);
}

function residentBytes(pid: number): number {
  try {
    return parseResidentBytes(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    // ESRCH: it ended between the opening and the reading.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return 0;
    throw error;
  }
}

export function parseResidentBytes(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
