// Starts guard.sh and tells it which process groups must not outlive this process, not even after kill -9. A guard that
// dies is replaced.

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { GroupRegister } from "./child.ts";

const script = fileURLToPath(new URL("./guard.sh", import.meta.url));
const restartPauseMs = 100;

export class Guard {
  /** Ends when the others have ended: they still speak over it while they drain. */
  readonly last: GroupRegister;
  readonly others: GroupRegister;
  private readonly groups = new Map<number, "+" | "!">();
  private process: ChildProcess;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor() {
    this.process = this.start();
    this.last = this.register("!");
    this.others = this.register("+");
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** Lets the guard end. What is still registered is ended by it. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.process.stdin?.end();
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

  private start(): ChildProcess {
    const guard = spawn("/bin/sh", [script], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
    // A guard that has just died refuses what it is told; the next one is told everything again.
    guard.stdin?.on("error", () => undefined);
    guard.once("error", () => undefined);
    guard.once("exit", () => {
      if (this.isClosed) return;
      this.timer = setTimeout(() => {
        this.process = this.start();
        for (const [pid, mark] of this.groups) this.tell(`${mark}${pid}`);
      }, restartPauseMs);
    });
    return guard;
  }

  private tell(line: string): void {
    if (this.process.stdin?.writable) this.process.stdin.write(`${line}\n`);
  }
}
