// How many files this process may have open: each connection is one, and what comes past the limit is refused without a word.

import { readFileSync } from "node:fs";

/** NATS, the admin port, libraries, files that are read: what is open besides connections. */
const ownFiles = 64;

/** @returns What is wrong and what to do about it; undefined where all is well, and where the system does not tell. */
export function openFilesWarning(connections: number, limit = openFilesLimit()): string | undefined {
  if (limit === undefined || limit >= connections + ownFiles) return undefined;
  return `this process may have ${limit} files open, too few for CONNECTIONS=${connections}: raise it (systemd: LimitNOFILE=, a shell: ulimit -n)`;
}

function openFilesLimit(): number | undefined {
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
