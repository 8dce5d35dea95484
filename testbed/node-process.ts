// A Node process that we talk with over Node's channel, and that ends with us.

import { type ChildProcess, spawn } from "node:child_process";
import { clone } from "../scripts/setup/cache.mjs";

const keptBytes = 4_000;

export class Child {
  private readonly process: ChildProcess;
  private readonly exited: Promise<void>;
  private readonly listeners = new Set<(message: unknown) => void>();
  private errors = "";
  private hasExited = false;

  /** @param script Relative to the folder. @param flags Of Node. */
  constructor(script: string, args: readonly string[] = [], folder: string = clone, flags: readonly string[] = []) {
    // A group of its own: Ctrl-C is ours.
    this.process = spawn(process.execPath, [...flags, "--import", "tsx", script, ...args], {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      detached: true,
    });
    this.process.stderr?.on("data", (chunk: Buffer) => {
      this.errors = (this.errors + chunk.toString()).slice(-keptBytes);
    });
    this.process.on("message", (message) => {
      for (const listener of [...this.listeners]) listener(message);
    });
    const kill = () => this.process.kill("SIGKILL");
    process.once("exit", kill);
    this.exited = new Promise((resolve) => {
      this.process.once("close", () => {
        process.off("exit", kill);
        this.hasExited = true;
        resolve();
      });
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /**
   * @param take What is made of a message; undefined: it is not the one.
   * @throws where the process ends, or `take` throws.
   */
  hears<T>(take: (message: unknown) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        this.listeners.delete(listen);
        action();
      };
      const listen = (message: unknown) => {
        try {
          const taken = take(message);
          if (taken !== undefined) settle(() => resolve(taken));
        } catch (error) {
          settle(() => reject(error));
        }
      };
      this.listeners.add(listen);
      void this.exited.then(() => settle(() => reject(new Error(`a process of the run ended:\n${this.errors}`))));
    });
  }

  tell(message: string): void {
    this.process.send?.(message);
  }

  async end(): Promise<void> {
    if (!this.hasExited) this.process.kill("SIGKILL");
    await this.exited;
  }
}
