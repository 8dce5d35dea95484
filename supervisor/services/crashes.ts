// Counts the ends of units that nobody asked for: systemd starts such a unit again, and counts that.

import { run, systemctl } from "./systemd.ts";

const lookMs = 250;

export class Crashes {
  /** "worker 20261122T043000Z-1a2b3c4.1: Main process exited, code=killed, status=9/KILL" */
  readonly texts: string[] = [];
  private readonly restarts: Map<string, number>;
  private readonly timer: NodeJS.Timeout;
  private isLooking = false;

  private constructor(names: readonly string[], restarts: Map<string, number>) {
    this.restarts = restarts;
    this.timer = setInterval(() => void this.look(names), lookMs);
  }

  /** Counts from now on. */
  static async of(names: readonly string[]): Promise<Crashes> {
    return new Crashes(names, await countRestarts(names));
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async look(names: readonly string[]): Promise<void> {
    if (this.isLooking) return;
    this.isLooking = true;
    try {
      for (const [unit, count] of await countRestarts(names)) {
        if (count <= (this.restarts.get(unit) ?? 0)) continue;
        this.restarts.set(unit, count);
        this.texts.push(await endOf(unit));
      }
    } finally {
      this.isLooking = false;
    }
  }
}

async function countRestarts(names: readonly string[]): Promise<Map<string, number>> {
  const text = await systemctl("show", "--property=Id,NRestarts", ...names).catch(() => "");
  const blocks = text
    .split("\n\n")
    .map((block) => [/^Id=(.*)$/m.exec(block)?.[1] ?? "", Number(/^NRestarts=(\d+)$/m.exec(block)?.[1])] as const);
  return new Map(blocks);
}

async function endOf(unit: string): Promise<string> {
  const args = ["--no-pager", "--quiet", "--output=cat", "--identifier=systemd", `--unit=${unit}`, "--lines=20"];
  const said = await run("journalctl", ...args).catch(() => "");
  const last = said.split("\n").findLast((line) => /Main process exited|Watchdog timeout|oom-kill/.test(line));
  return `${unit} ended and was started again${last === undefined ? "" : ` (${last.replace(`${unit}: `, "")})`}`;
}
