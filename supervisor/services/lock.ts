// One change of an installation at a time. The kernel holds the lock for a child that lives as long as the pipe to this process,
// so none outlives whoever took it, however that ends.

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { layout } from "./layout.ts";

/** Somebody else is at it; the message says who. */
export class Locked extends Error {}

/** What flock ends with where somebody else has the lock; its own failures are 64 and above. */
const conflict = 9;

/**
 * @param what Is done, for others who want the lock: "deploy".
 * @throws {Locked}
 */
export async function withLock<T>(what: string, action: () => Promise<T>): Promise<T> {
  mkdirSync(layout.run, { recursive: true, mode: 0o700 });
  const file = join(layout.run, "lock");
  // A group of its own: Ctrl-C is for this process, which may have something to undo.
  const holder = spawn("flock", ["--nonblock", "--conflict-exit-code", String(conflict), file, "sh", "-c", "echo locked; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
  });
  const exited = new Promise<number | null>((resolve, reject) => {
    holder.once("error", reject);
    holder.once("exit", resolve);
  });
  const locked = new Promise<true>((resolve) => holder.stdout.once("data", () => resolve(true)));
  const first = await Promise.race([locked, exited]);
  if (first === conflict) throw new Locked(`there is already ${readFileSync(file, "utf8").trim()}`);
  if (first !== true) throw new Error(`flock ended with ${first}`);
  try {
    const user = process.env.SUDO_USER ?? userInfo().username;
    writeFileSync(file, `a ${what} by ${user} (process ${process.pid}) since ${new Date().toLocaleTimeString("en-GB")}\n`);
    return await action();
  } finally {
    holder.stdin.end();
    await exited;
  }
}
