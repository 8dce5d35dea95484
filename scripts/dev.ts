// npm run dev: an installation whose workers are replaced whenever a handler is saved.

import { join } from "node:path";
import { parseFlags } from "./arguments.ts";
import { FolderWatch } from "./folder-watch.ts";
import { serve } from "./serve.ts";
import type { Desk } from "./supervisor/desk.ts";
import type { Log } from "./supervisor/log.ts";

const usage = `npm run dev

The same as npm start, and a saved handler is live in under a second, clients still connected. Types are not checked; code
that does not load is reported, and what served before goes on serving. Nothing of it is kept as a release.`;

/** Editors touch a file several times for one save. */
const settleMs = 30;

export async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, usage, []);
  if (typeof flags === "number") return flags;
  const ended = serve({
    isDev: true,
    onReady: ({ config, desk, log }) => {
      const refresh = new Refresh(desk, log);
      new FolderWatch({
        folder: join(config.clone, config.handlersDir),
        root: config.clone,
        onChange: () => refresh.ask(),
        onFault: ({ message }) => log.event("error", `saves may go unnoticed, start again when this is mended: ${message}`),
      });
      log.say(`watching ${config.handlersDir}`);
    },
  });
  process.exit(await ended);
}

/** One replacement at a time; what is saved meanwhile goes into the next one. */
class Refresh {
  private readonly desk: Desk;
  private readonly log: Log;
  private timer: NodeJS.Timeout | undefined;
  private isRunning = false;
  private isStale = false;

  constructor(desk: Desk, log: Log) {
    this.desk = desk;
    this.log = log;
  }

  ask(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.refresh(), settleMs);
  }

  private async refresh(): Promise<void> {
    if (this.isRunning) {
      this.isStale = true;
      return;
    }
    this.isRunning = true;
    this.isStale = false;
    const outcome = await this.desk.refresh();
    this.isRunning = false;
    if (outcome === undefined || this.isStale) return this.ask();
    if (outcome.ok)
      this.log.say(`live after ${Math.round(outcome.result.totalMs)} ms, ${outcome.result.handedOver} connections handed over`);
    // What the worker said of it is on the terminal already.
    else this.log.say(`not live, the code before still serves: ${outcome.error.split("\n")[0]}`);
  }
}
