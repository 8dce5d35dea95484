// A child process that checks a release: at low priority, where live traffic must not feel it, and with an end in sight, also
// when the process that started it is killed. What counts is the processor time that it takes: on a busy machine it gets little.

import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { ProcessorWatch } from "../../process/processors.ts";

export interface ChildOptions {
  readonly cwd: string;
  /** Kills the child and what it started. */
  readonly signal: AbortSignal;
  /** How much processor time it, and each process that it starts, may take; counted in whole seconds. */
  readonly processorLimitMs: number;
  /** By the clock, however little processor time it got. */
  readonly limitMs: number;
  /** Whether it leaves the processors to others. */
  readonly isModest: boolean;
  /** The command only waits for what somebody else runs. It gets an input that closes when that has to end. */
  readonly isElsewhere?: boolean;
  /** On top of our own environment. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface ChildResult {
  /** null where a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Which limit ended it: "processor", "clock", or none. */
  readonly limit: "processor" | "clock" | undefined;
  /** Why it may have been slow: "the machine is busy (…)". */
  readonly busy: string | undefined;
}

/** More than a check has to say; what follows is dropped. */
const outputLimitBytes = 4 * 1024 * 1024;
/** For who does not end when it is told that its processor time is over: SIGKILL comes after so many seconds more. */
const graceS = 1;
/** `times` tells a little less than what the limit counts. */
const nearly = 0.9;
/** A shell's way to say that a signal ended what it ran. */
const signalled = 128;

/** @throws the signal's reason, and what spawn throws. */
export async function runChild(command: readonly string[], options: ChildOptions): Promise<ChildResult> {
  const { cwd, signal, processorLimitMs, limitMs } = options;
  const env = { ...process.env, ...options.env };
  signal.throwIfAborted();
  // A group of its own: Ctrl-C does not reach it, and one kill ends the compiler behind its wrapper too.
  const stdio = ["pipe", "pipe", "pipe", "pipe"] as const;
  const child = spawn("sh", ["-c", shellScript(options), "sh", ...command], { cwd, env, stdio: [...stdio], detached: true });
  const [, stdout, stderr, times] = child.stdio.map((stream) => (stream === null ? () => "" : collect(stream as Readable)));
  const processors = new ProcessorWatch();
  let isLate = false;
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
    child.stdin?.destroy();
  };
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, limitMs);
  signal.addEventListener("abort", kill);
  try {
    const [code, killedBy] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (exitCode, name) => resolve([exitCode, name]));
    });
    signal.throwIfAborted();
    const endedBy = killedBy ?? signalOf(code);
    const isSpent = code !== 0 && (endedBy === "SIGXCPU" || processorMs(times?.() ?? "") >= nearly * processorLimitMs);
    return {
      exitCode: endedBy === null ? code : null,
      signal: endedBy,
      stdout: stdout?.() ?? "",
      stderr: stderr?.() ?? "",
      limit: isLate ? "clock" : isSpent ? "processor" : undefined,
      busy: processors.busyText(),
    };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", kill);
    child.stdin?.destroy();
  }
}

// nice from within, since a priority that is set from outside misses the threads that are there already; and nice for the
// session as a whole, since Linux shares the cores out among sessions first, where it does (sched(7), "The autogroup
// feature"): two of eight runs of three deploys had a p99.9 of 60 ms without it, none of more than 32 ms with it. What was taken of
// the processor time, `times` tells: the shell's own in its first line, then that of all that it waited for. Standard input is a
// pipe that closes when whoever started this is killed: then a watch ends the group, which may wait for something for ever.
function shellScript({ processorLimitMs, isModest, isElsewhere = false }: ChildOptions): string {
  const limitS = Math.ceil(processorLimitMs / 1000);
  const limits = `ulimit -S -t ${limitS}; ulimit -H -t ${limitS + graceS}; ulimit -c 0`;
  const modesty = isModest ? "echo 10 2>/dev/null >/proc/self/autogroup; nice -n 10" : "";
  const input = isElsewhere ? "<&4" : "4<&-";
  const watch = "{ read -r _; kill -s KILL -- -$$; } <&4 >/dev/null 2>&1 3>&- & watch=$!";
  return `${limits}; exec 4<&0 </dev/null; ${watch}; ${modesty} "$@" 3>&- ${input}; code=$?; kill $watch; times >&3; exit $code`;
}

/** @param times As POSIX has it: `0m0.00s 0m0.01s`, user and system, and a second line for children. */
function processorMs(times: string): number {
  const children = times.split("\n")[1] ?? "";
  const parts = [...children.matchAll(/(\d+)m([\d.,]+)s/g)];
  return parts.reduce((sum, [, minutes, seconds = ""]) => sum + Number(minutes) * 60_000 + Number(seconds.replace(",", ".")) * 1000, 0);
}

function signalOf(code: number | null): NodeJS.Signals | null {
  const found = Object.entries(constants.signals).find(([, number]) => code === signalled + number);
  return found === undefined ? null : (found[0] as NodeJS.Signals);
}

function collect(stream: Readable): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    if (bytes < outputLimitBytes) chunks.push(chunk);
    bytes += chunk.length;
  });
  return () => Buffer.concat(chunks).toString("utf8");
}
