// A run that is given up leaves no process behind.

import type { ChildProcess } from "node:child_process";

const living = new Map<ChildProcess, "SIGTERM" | "SIGKILL">();

// One listener for all: Node warns of a leak where there are more than ten.
process.once("exit", () => {
  for (const [child, signal] of living) child.kill(signal);
});

/** From now on the child gets the signal when this process ends before it. */
export function endsWithUs(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): void {
  living.set(child, signal);
  child.once("exit", () => living.delete(child));
}
