// What both checks of a release have in common: how their processes are run, and what is said of one that was cut off.

import { type ChildResult, runChild } from "./low-priority-process.ts";

export interface CheckOptions {
  readonly clone: string;
  /** Of the release. */
  readonly folder: string;
  /** What the release holds of the clone, relative to it. */
  readonly files: readonly string[];
  readonly handlersDir: string;
  readonly sharedDir: string;
  readonly handlerEnv: NodeJS.ProcessEnv;
  /** How much processor time the type check, and the load of all handlers, may take each. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** As for `make`. */
  readonly isFirst: boolean;
  readonly onStep: (text: string) => void;
  /** How workers will run, where that is not as this process does. */
  readonly runAs?: RunAs | undefined;
}

/** How handlers are loaded to try them. */
export interface RunAs {
  readonly user: string;
  /** A Node.js that the user may run. */
  readonly node: string;
  /** On top of our own environment. */
  readonly env: NodeJS.ProcessEnv;
}

/** On a busy machine, who has low priority gets a tenth of a core, and less: by the clock, a check may take so many times as long. */
const clockFactor = 30;

/** @throws the signal's reason. */
export function runCheck(command: readonly string[], options: CheckOptions, env: NodeJS.ProcessEnv = {}): Promise<ChildResult> {
  const { folder, signal, limitMs, isFirst } = options;
  return runChild(command, { cwd: folder, signal, env, processorLimitMs: limitMs, limitMs: clockFactor * limitMs, isModest: !isFirst });
}

/** "20 s of processor time: does it loop?"; undefined where it was not cut off. @param question What to ask of one that had all of it. */
export function lateText({ limit, busy }: ChildResult, { limitMs }: CheckOptions, question: string): string | undefined {
  if (limit === undefined) return undefined;
  const advice = "CHECK_TIMEOUT_MS gives it more";
  if (limit === "processor") return `${limitMs / 1000} s of processor time: ${question} ${advice}`;
  return `${(clockFactor * limitMs) / 1000} s: ${busy ?? "it waits for something that does not come"}; ${advice}`;
}

export function lastWords(output: string): string {
  return output.trim().split("\n").slice(-5).join("\n") || "it said nothing";
}
