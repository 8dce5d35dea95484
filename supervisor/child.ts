// One process that the supervisor started: in a process group of its own, so that Ctrl-C on the terminal does not reach it,
// with a lifeline that tells it when the supervisor is gone.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { ErrorTail } from "./error-tail.ts";

/** The descriptor of the lifeline: it reads end-of-file when the supervisor has ended, however it ended. */
const parentFd = 3;
/** How long what a child wrote last may take to arrive after its end. A grandchild may hold its pipe open for ever. */
const outputGraceMs = 200;

export interface ChildSpec {
  /** How it is called in logs: worker-2. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Where the process could not be started at all. */
  readonly error?: Error;
}

/** Knows the process groups that must not outlive the supervisor. */
export interface GroupRegister {
  add(pid: number): void;
  remove(pid: number): void;
}

export interface ChildContext {
  readonly register: GroupRegister;
  readonly onLine: (name: string, line: string, stream: "stdout" | "stderr") => void;
  /** It was asked to end, did not in time, and is killed. */
  readonly onOverdue: (name: string, timeoutMs: number) => void;
}

export class Child {
  readonly name: string;
  /** 0 where it could not be started. */
  readonly pid: number;
  readonly startedAt = Date.now();
  readonly exited: Promise<Exit>;
  readonly errors = new ErrorTail();
  /** Whether it had said hello by its end: it loads, and has taken part. */
  hasServed = false;
  /** Why we have killed it, for reports. */
  killedFor: string | undefined;
  private readonly onOverdue: ChildContext["onOverdue"];
  private hasExited = false;

  constructor(spec: ChildSpec, context: ChildContext) {
    this.name = spec.name;
    this.onOverdue = context.onOverdue;
    const child = spawned(spec);
    if (child instanceof Error) {
      this.pid = 0;
      this.exited = Promise.resolve({ code: null, signal: null, error: child });
      return;
    }
    const pid = child.pid ?? 0;
    this.pid = pid;
    const outputEnded = new Promise<void>((resolve) => child.once("close", () => resolve()));
    this.exited = new Promise((resolve) => {
      child.once("error", (error) => resolve({ code: null, signal: null, error }));
      child.once("exit", (code, signal) => {
        this.hasExited = true;
        // Whatever it has started itself goes with it.
        this.signal("SIGKILL");
        context.register.remove(pid);
        const grace = setTimeout(() => resolve({ code, signal }), outputGraceMs);
        void outputEnded.then(() => {
          clearTimeout(grace);
          resolve({ code, signal });
        });
      });
    });
    // Where file descriptors were short, it has no streams either.
    if (pid === 0) return;
    context.register.add(pid);
    this.read("stdout", child.stdout as Readable, context.onLine);
    this.read("stderr", child.stderr as Readable, context.onLine);
    // A child that closes its end of the lifeline early is no business of ours.
    child.stdio[parentFd]?.on("error", () => undefined);
  }

  /** Sends a signal to the whole process group. */
  signal(signal: NodeJS.Signals): void {
    if (this.pid === 0) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // ESRCH: the group is gone.
    }
  }

  /** Asks it to end, waits, then kills it. Resolves when it has ended. */
  async stop(timeoutMs: number): Promise<void> {
    if (this.hasExited || this.pid === 0) return;
    const timer = setTimeout(() => {
      this.onOverdue(this.name, timeoutMs);
      this.signal("SIGKILL");
    }, timeoutMs);
    this.signal("SIGTERM");
    await this.exited;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    if (this.pid === 0) return;
    if (!this.hasExited) this.signal("SIGKILL");
    await this.exited;
  }

  private read(name: "stdout" | "stderr", input: Readable, onLine: ChildContext["onLine"]): void {
    const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
    // readline hands on its input's errors; the process' end says enough.
    lines.on("error", () => undefined);
    lines.on("line", (line) => {
      this.errors.hear(line, name);
      onLine(this.name, line, name);
    });
  }
}

/** @returns why not, where the system refuses at once: ENOMEM. Of what else keeps it from starting the process itself tells. */
function spawned({ command, args, cwd, env }: ChildSpec): ChildProcess | Error {
  try {
    return spawn(command, args, {
      cwd,
      env: { ...env, LIFELINE_FD: String(parentFd) },
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
  } catch (error) {
    return error as Error;
  }
}

/** "ended with exit code 1" */
export function exitText(exit: Exit): string {
  if (exit.error !== undefined) return `could not be started: ${exit.error.message}`;
  return exit.signal === null ? `ended with exit code ${exit.code}` : `was ended by ${exit.signal}`;
}
