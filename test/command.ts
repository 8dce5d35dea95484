// A command of ours, run to its end.

import { spawn } from "node:child_process";
import { join } from "node:path";

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What `npm run` this runs. */
export function runCommand(...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, ["scripts/start.mjs", ...args], {
    cwd: join(import.meta.dirname, ".."),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (chunk: Buffer) => {
      said[name] += chunk.toString();
    });
  }
  return new Promise((resolve) => child.once("close", (exitCode) => resolve({ exitCode, ...said })));
}
