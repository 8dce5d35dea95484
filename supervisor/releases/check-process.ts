// What both checks of a release have in common: how their processes are run, and what is said of one that was cut off.

import { join } from "node:path";
import { compiledFolder } from "../../process/native-typescript.mjs";
import type { HandlerFolders } from "./handler-folders.ts";
import { type ChildOptions, type ChildResult, runChild } from "./low-priority-process.ts";
import { ReleaseError } from "./refusal.ts";

export interface CheckOptions extends HandlerFolders {
  readonly clone: string;
  /** Of the release. */
  readonly folder: string;
  /** What the release holds of the clone, relative to it. */
  readonly files: readonly string[];
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
  /** What says how workers run. */
  readonly unit: string;
  /** A Node.js that the user may run. */
  readonly node: string;
  /**
   * A command that runs another one as workers run, and ends it when its own input closes. Where it cannot, its exit code is 126, and
   * what it writes to stderr says why.
   * @throws {ReleaseError} with what the unit says that does not hold for a trial.
   */
  readonly sandboxed: (command: readonly string[], options: SandboxOptions) => readonly string[];
}

export interface SandboxOptions {
  /** Where it runs. */
  readonly folder: string;
  /** What it may write to. */
  readonly writable: string;
  /** Of each of its processes. */
  readonly processorLimitMs: number;
  /** Whether it leaves the processors to others. */
  readonly isModest: boolean;
}

/** Source: POSIX, "Exit Status for Commands": found, but not run. */
const notRun = 126;

/** On a busy machine, who has low priority gets a tenth of a core, and less: by the clock, a check may take so many times as long. */
const clockFactor = 30;

/** @throws the signal's reason. */
export function runCheck(command: readonly string[], options: CheckOptions, env: NodeJS.ProcessEnv = {}): Promise<ChildResult> {
  return runChild(command, { ...childOptions(options), env });
}

/** As `runCheck`, where and how workers run. @throws {ReleaseError} where nothing can run like that; the signal's reason. */
export async function runAsWorker(command: readonly string[], options: CheckOptions, runAs: RunAs): Promise<ChildResult> {
  const child = childOptions(options);
  const { cwd: folder, processorLimitMs, isModest } = child;
  const sandbox = { folder, writable: join(folder, compiledFolder), processorLimitMs, isModest };
  const result = await runChild(runAs.sandboxed(command, sandbox), { ...child, isElsewhere: true });
  // The trial itself says something before it loads what may end it with any code.
  if (result.exitCode !== notRun || result.stdout !== "") return result;
  throw new ReleaseError([{ file: runAs.unit, text: `handlers cannot be tried as workers run: ${lastWords(result.stderr)}` }]);
}

function childOptions({ folder, signal, limitMs, isFirst }: CheckOptions): Omit<ChildOptions, "env"> {
  return { cwd: folder, signal, processorLimitMs: limitMs, limitMs: clockFactor * limitMs, isModest: !isFirst };
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
