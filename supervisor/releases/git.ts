// Runs git in the clone. Its configuration may name programs that git runs (core.fsmonitor, for one), so root runs it as whoever owns
// the clone: git itself refuses somebody else's (safe.directory).

import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** @returns What git writes to stdout. @throws where there is no git, or no repository, or it is not to be trusted. */
export async function git(clone: string, args: readonly string[]): Promise<string> {
  const owner = await foreignOwner(clone);
  // A session of its own: on older kernels, a program of the owner's could type into root's terminal (TIOCSTI).
  const [command, first] = owner !== undefined && process.platform === "linux" ? ["setsid", ["--wait", "git"]] : ["git", []];
  const { stdout } = await run(command, [...first, "-C", clone, ...args], { maxBuffer: 64 * 1024 * 1024, ...owner });
  return stdout;
}

/** For a child process of root's; undefined: ours will do. Nothing of root's environment is passed on. */
async function foreignOwner(clone: string): Promise<{ uid: number; gid: number; env: NodeJS.ProcessEnv } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const { uid, gid } = await stat(clone);
  // Node gives up root's groups with the user. Without a home, the owner's own configuration is not read, as it was not before.
  return uid === 0 ? undefined : { uid, gid, env: { PATH: process.env.PATH, LC_ALL: "C", HOME: "/nonexistent" } };
}
