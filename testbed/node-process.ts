// A Node process that we talk with over Node's channel, and that ends with us.

import { type ChildProcess, spawn } from "node:child_process";
import { clone } from "../scripts/setup/cache.mjs";
import { typeScriptLoader } from "../supervisor/node-flags.ts";
import { endsWithUs } from "./ends-with-us.ts";

const keptBytes = 4_000;

/** What a child says that cannot do what it was started for: nothing else follows. */
export interface Failure {
  readonly failed: string;
}

/** `Order` is what it is told, `Said` what it says besides a `Failure`. */
export class Child<Said extends object, Order extends string = never> {
  private readonly process: ChildProcess;
  private readonly exited: Promise<void>;
  private readonly listeners = new Set<(message: unknown) => void>();
  private errors = "";
  private hasExited = false;

  /** @param script Relative to the folder. @param flags Of Node. */
  constructor(script: string, args: readonly string[] = [], folder: string = clone, flags: readonly string[] = []) {
    // A group of its own: Ctrl-C is ours.
    this.process = spawn(process.execPath, [...flags, "--import", typeScriptLoader(folder), script, ...args], {
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
    endsWithUs(this.process, "SIGKILL");
    this.exited = new Promise((resolve) => {
      this.process.once("close", () => {
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
   * @throws where the process fails or ends, or `take` throws.
   */
  hears<T>(take: (said: Said) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        this.listeners.delete(listen);
        action();
      };
      const listen = (message: unknown) => {
        try {
          if (isFailure(message)) throw new Error(message.failed);
          const taken = take(message as Said);
          if (taken !== undefined) settle(() => resolve(taken));
        } catch (error) {
          settle(() => reject(error));
        }
      };
      this.listeners.add(listen);
      void this.exited.then(() => settle(() => reject(new Error(`a process of the run ended:\n${this.errors}`))));
    });
  }

  tell(order: Order): void {
    this.process.send?.(order);
  }

  async end(): Promise<void> {
    if (!this.hasExited) this.process.kill("SIGKILL");
    await this.exited;
  }
}

function isFailure(message: unknown): message is Failure {
  return typeof message === "object" && message !== null && "failed" in message;
}
