// What a process tells systemd that has started it as a service: that it is ready, what it does, that it ends, and, from its
// main loop, that it still turns. Elsewhere nobody listens, and nothing is started.
//
// Source: sd_notify(3).

import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Writable } from "node:stream";
import * as v from "valibot";
import { integer } from "./settings.ts";

/** What systemd gives a service of Type=notify, as settings. */
export const notifySettings = {
  NOTIFY_SOCKET: v.optional(v.string(), ""),
  /** Silent for so many microseconds, the process is killed; 0: never. */
  WATCHDOG_USEC: integer({ least: 0, most: Number.MAX_SAFE_INTEGER, otherwise: 0 }),
};

type NotifySettings = Readonly<v.InferOutput<v.ObjectSchema<typeof notifySettings, undefined>>>;

/** One that is late must not look like one that hangs. */
const feedsPerTimeout = 4;
/** How old what `systemctl status` shows may be. */
const statusMs = 2_000;
/** How long handing on the last lines may take. */
const endMs = 2_000;
/** What systemd waits for longer than the process itself, before it kills. */
const graceMs = 2_000;

export class Notify {
  /** To the process that hands it on; undefined: nobody listens. */
  private readonly pipe: Writable | undefined;
  /** Of that process. */
  private readonly handedOn: Promise<void> = Promise.resolve();
  private readonly watchdogMs: number;
  private readonly timers: NodeJS.Timeout[] = [];
  private lastStatus = "";

  constructor({ NOTIFY_SOCKET, WATCHDOG_USEC }: NotifySettings) {
    this.watchdogMs = WATCHDOG_USEC / 1_000;
    if (NOTIFY_SOCKET === "") return;
    // Of the watchdog too: that is for this process, not for what it starts.
    const child = spawn("/bin/sh", [join(import.meta.dirname, "notify.sh")], { stdio: ["pipe", "ignore", "inherit"], detached: true });
    this.pipe = child.stdin;
    this.handedOn = new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    // Without it this process is killed in time, and started again.
    child.stdin.once("error", () => undefined);
    child.unref();
  }

  /**
   * From now on `systemctl start` returns, the status is kept up to date, and a main loop that hangs is found.
   * @param status What the process does, in one line.
   * @param watchdogMs Instead of the unit's own WatchdogSec=, where that is set.
   */
  ready(status: () => string, watchdogMs = this.watchdogMs): void {
    this.show(status());
    if (this.watchdogMs > 0) {
      if (watchdogMs !== this.watchdogMs) this.say(`WATCHDOG_USEC=${Math.round(watchdogMs * 1_000)}`);
      this.timers.push(setInterval(() => this.say("WATCHDOG=1"), watchdogMs / feedsPerTimeout));
    }
    this.timers.push(setInterval(() => this.show(status()), statusMs));
    this.say("READY=1");
    for (const timer of this.timers) timer.unref();
  }

  /** @param limitMs How long that may take: systemd waits as long, and somewhat longer. */
  stopping(limitMs: number): void {
    this.say("STOPPING=1");
    this.say(`EXTEND_TIMEOUT_USEC=${Math.round((limitMs + graceMs) * 1_000)}`);
  }

  /** The last thing before the end: resolves when nothing else of this service runs, which systemd would have to kill. */
  async end(): Promise<void> {
    if (this.pipe === undefined) return;
    for (const timer of this.timers) clearInterval(timer);
    this.pipe.end();
    let late: NodeJS.Timeout | undefined;
    await Promise.race([
      this.handedOn,
      new Promise<void>((resolve) => {
        late = setTimeout(resolve, endMs);
      }),
    ]);
    clearTimeout(late);
  }

  private show(status: string): void {
    if (status !== this.lastStatus) this.say(`STATUS=${status}`);
    this.lastStatus = status;
  }

  private say(line: string): void {
    this.pipe?.write(`${line.replaceAll("\n", " ")}\n`);
  }
}
