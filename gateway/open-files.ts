// How many files this process has open, and may have: each connection is one.

import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";

/** NATS, the admin port, libraries, files that are read, and what the file guard keeps: what is open besides connections. */
const ownFiles = 128;

/** @returns What is wrong and what to do about it; undefined where all is well, and where the system does not tell. */
export function openFilesWarning(connections: number, limit = openFilesLimit()): string | undefined {
  if (limit === undefined || limit >= connections + ownFiles) return undefined;
  return `this process may have ${limit} files open, too few for CONNECTIONS=${connections}: raise it (systemd: LimitNOFILE=, a shell: ulimit -n)`;
}

export interface OpenFiles {
  /** Infinity where the system does not tell. */
  readonly limit: number;
  /** @returns about how many are open; undefined where one more cannot be opened, even to count them. */
  count(): Promise<number | undefined>;
  /** Opens one that means nothing. @returns undefined where none can be opened. */
  open(): number | undefined;
  close(file: number): void;
}

export function openFiles(limit = openFilesLimit() ?? Number.POSITIVE_INFINITY): OpenFiles {
  return { limit, open: openOne, close: closeSync, count: () => countFiles(limit) };
}

function openOne(): number | undefined {
  try {
    return openSync("/dev/null", "r");
  } catch {
    // EMFILE, or ENFILE where the whole system has no more.
    return undefined;
  }
}

async function countFiles(limit: number): Promise<number | undefined> {
  try {
    const { size } = statSync("/proc/self/fd");
    // Since Linux 6.2. Source: proc(5), /proc/pid/fd.
    if (size > 0) return size;
  } catch {
    // Not Linux.
  }
  const lowest = openOne();
  if (lowest === undefined) return undefined;
  closeSync(lowest);
  // To list them takes milliseconds where they are many. The lowest that is free tells where they are not.
  if (lowest < limit / 2) return lowest;
  try {
    return (await readdir("/dev/fd")).length;
  } catch {
    return undefined;
  }
}

/** @returns undefined where the system does not tell. */
export function openFilesLimit(): number | undefined {
  try {
    return parseOpenFiles(readFileSync("/proc/self/limits", "latin1"));
  } catch {
    return undefined;
  }
}

/**
 * @param text Of /proc/self/limits. Source: proc(5): `Max open files  <soft>  <hard>  files`, a number or "unlimited".
 */
export function parseOpenFiles(text: string): number | undefined {
  const soft = /^Max open files\s+(\S+)/m.exec(text)?.[1];
  if (soft === "unlimited") return Number.POSITIVE_INFINITY;
  return soft === undefined ? undefined : Number(soft);
}
