// A run that is given up leaves no process behind.

import type { ChildProcess } from "node:child_process";

/** From now on the child gets the signal when this process ends before it. */
export function endsWithUs(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): void {
  const end = () => child.kill(signal);
  process.once("exit", end);
  child.once("exit", () => process.off("exit", end));
}
