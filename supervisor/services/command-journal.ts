// The log of commands that change an installation on systemd: in the journal, as thinstate-deploy, beside what its units say.

import { spawn } from "node:child_process";
import type { Writable } from "node:stream";
import type { Log } from "../log-display.ts";

export class Journal implements Pick<Log, "event" | "say"> {
  private readonly pipe: Writable;

  constructor() {
    const child = spawn("systemd-cat", ["--identifier=thinstate-deploy"], { stdio: ["pipe", "ignore", "ignore"], detached: true });
    child.once("error", () => undefined);
    child.unref();
    this.pipe = child.stdin;
    // A journal that is away is no reason not to deploy.
    this.pipe.once("error", () => undefined);
  }

  say(text: string): void {
    this.event("info", text);
  }

  event(level: "info" | "warn" | "error", text: string, fields: Record<string, unknown> = {}): void {
    this.pipe.write(`${JSON.stringify({ level, ...fields, msg: text })}\n`);
  }

  close(): void {
    this.pipe.end();
  }
}
