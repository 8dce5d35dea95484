// A child process that checks a release: at low priority, so that live traffic does not feel it, and with an end in sight,
// also when the process that started it is killed.

import { spawn } from "node:child_process";

export interface ChildOptions {
  readonly cwd: string;
  /** Kills the child and what it started. */
  readonly signal: AbortSignal;
  readonly limitMs: number;
  /** On top of our own environment. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface ChildResult {
  /** null where it was killed. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether it had to be killed after `limitMs`. */
  readonly isLate: boolean;
}

/** More than a check has to say; what follows is dropped. */
const outputLimitBytes = 4 * 1024 * 1024;

/** @throws the signal's reason, and what spawn throws. */
export async function runChild(command: readonly string[], options: ChildOptions): Promise<ChildResult> {
  const { cwd, signal, limitMs } = options;
  const env = { ...process.env, ...options.env };
  signal.throwIfAborted();
  // nice from within, since a priority that is set from outside misses the threads that are there already; and nice for the
  // session as a whole, since Linux shares the cores out among sessions first, where it does (sched(7), "The autogroup
  // feature"): two of eight runs of three deploys had a p99.9 of 60 ms without it, none of more than 32 ms with it. The limit on CPU time
  // (wall-clock time on four cores) ends a handler that loops for ever after its supervisor was killed.
  const session = "echo 10 2>/dev/null >/proc/self/autogroup";
  const script = `ulimit -t ${Math.ceil((4 * limitMs) / 1000)}; ${session}; exec nice -n 10 "$@"`;
  // A group of its own: Ctrl-C does not reach it, and one kill ends the compiler behind its wrapper too.
  const child = spawn("sh", ["-c", script, "sh", ...command], { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  let isLate = false;
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, limitMs);
  signal.addEventListener("abort", kill);
  try {
    const exitCode = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    signal.throwIfAborted();
    return { exitCode, stdout: stdout(), stderr: stderr(), isLate };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", kill);
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    if (bytes < outputLimitBytes) chunks.push(chunk);
    bytes += chunk.length;
  });
  return () => Buffer.concat(chunks).toString("utf8");
}
