// Starts reaper.sh and tells it which process groups must not outlive this process, not even after kill -9. A reaper that
// dies is replaced.

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { GroupRegister } from "./child.ts";

const script = fileURLToPath(new URL("./reaper.sh", import.meta.url));
const restartPauseMs = 100;

export class Reaper {
  /** Ends when the others have ended: they still speak over it while they drain. */
  readonly last: GroupRegister;
  readonly others: GroupRegister;
  private readonly groups = new Map<number, "+" | "!">();
  /** undefined: the system has refused to start it, and is asked again. */
  private process: ChildProcess | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor() {
    this.start();
    this.last = this.register("!");
    this.others = this.register("+");
  }

  get pid(): number | undefined {
    return this.process?.pid;
  }

  /** Lets the reaper end. What is still registered is ended by it. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.process?.stdin?.end();
  }

  private register(mark: "+" | "!"): GroupRegister {
    return {
      add: (pid) => {
        this.groups.set(pid, mark);
        this.tell(`${mark}${pid}`);
      },
      remove: (pid) => {
        this.groups.delete(pid);
        this.tell(`-${pid}`);
      },
    };
  }

  private start(): void {
    try {
      this.process = spawn("/bin/sh", [script], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
    } catch {
      // ENOMEM, which is thrown; of what else keeps it from starting, it tells.
      this.process = undefined;
      return this.startAgain();
    }
    // A reaper that has just died refuses what it is told; the next one is told everything again.
    this.process.stdin?.on("error", () => undefined);
    this.process.once("error", () => this.startAgain());
    this.process.once("exit", () => this.startAgain());
    for (const [pid, mark] of this.groups) this.tell(`${mark}${pid}`);
  }

  private startAgain(): void {
    clearTimeout(this.timer);
    if (!this.isClosed) this.timer = setTimeout(() => this.start(), restartPauseMs);
  }

  private tell(line: string): void {
    if (this.process?.stdin?.writable) this.process.stdin.write(`${line}\n`);
  }
}
