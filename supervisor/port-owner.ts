// Who listens on a TCP port, as Linux tells it in /proc. Elsewhere, and for processes of other users, nobody is found.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface PortOwner {
  readonly pid: number;
  readonly commandLine: string;
}

export function portOwner(port: number): PortOwner | undefined {
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].map((file) => attempt(() => readFileSync(file, "latin1")) ?? "");
  const inodes = new Set(tables.flatMap((table) => listenerInodes(table, port)));
  if (inodes.size === 0) return undefined;
  for (const pid of (attempt(() => readdirSync("/proc")) ?? []).filter((name) => /^\d+$/.test(name))) {
    const descriptors = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
    for (const descriptor of descriptors) {
      const inode = /^socket:\[(\d+)\]$/.exec(attempt(() => readlinkSync(`/proc/${pid}/fd/${descriptor}`)) ?? "")?.[1];
      if (inode !== undefined && inodes.has(inode)) return { pid: Number(pid), commandLine: commandLine(pid) };
    }
  }
  return undefined;
}

/**
 * Inodes of the sockets that listen on a port.
 * @param table The text of /proc/net/tcp or tcp6.
 * Source: Linux, Documentation/networking/proc_net_tcp.rst: `sl local_address rem_address st … uid timeout inode`, numbers in hex; state 0A is LISTEN.
 */
export function listenerInodes(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[1]?.split(":")[1] === wanted && columns[3] === "0A")
    .map((columns) => columns[9] ?? "");
}

function commandLine(pid: string): string {
  const bytes = attempt(() => readFileSync(`/proc/${pid}/cmdline`, "utf8")) ?? "";
  return bytes.split("\0").join(" ").trim();
}

/** Processes end while we look, and those of others may not be looked into. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
