// How many files, and so connections, a process may have open here.

import { spawnSync } from "node:child_process";

/** What a process has open besides its connections. */
const ownFiles = 100;

/** Node raises its own limit to the hard one as it starts, and those that it starts inherit that. */
export function fileLimit(): number {
  const { stdout } = spawnSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" });
  return stdout.trim() === "unlimited" ? Number.POSITIVE_INFINITY : Number(stdout);
}

/** @returns what to do about it; undefined where so many connections fit. */
export function fileLimitFault(connections: number, limit: number): string | undefined {
  const needed = connections + ownFiles;
  if (needed <= limit) return undefined;
  return `It opens ${connections} connections, and a process may have ${limit} files open here. Raise the hard limit, as root:
  ulimit -Hn ${needed} (in this shell), or LimitNOFILE= of systemd, or /etc/security/limits.conf (for good)`;
}
