// npm run dev: an installation whose workers are replaced whenever a handler is saved, or what it imports.

import { parseCommandLine, parseValues, UsageError } from "../process/arguments.ts";
import { Cancelled } from "../supervisor/control.ts";
import { closedText } from "../supervisor/deploy-report.ts";
import { ReleaseError } from "../supervisor/releases/release.ts";
import { SourceWatch } from "../supervisor/releases/source-watch.ts";
import { type Served, serve } from "./serve.ts";

const usage = `npm run dev [-- --inspect[=PORT]]

Like npm start, and a saved handler is live in under a second, with clients still connected. If code does not load, the error
is reported, and the code before goes on serving. Mistakes that a deploy would refuse, such as wrong types, are reported, too.
Nothing is kept as a release.

  --inspect[=PORT]   runs one worker, for a debugger (chrome://inspect, VS Code) at 127.0.0.1:9229 or PORT. Set breakpoints in
                     the files of the clone. After a save, attach again: the new worker has the port. Turns and silent workers
                     get a day before they time out.`;

const usualInspectPort = 9229;

/** Editors touch a file several times for one save. */
const settleMs = 30;
/** A check that takes longer is announced: else its silence reads as its approval. */
const announceMs = 1_000;

export async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, usage, parseOptions);
  if (typeof options === "number") return options;
  const ended = serve({ isDev: true, ...options, onReady: (served) => void begin(served) });
  process.exit(await ended);
}

/** @throws {UsageError} */
function parseOptions(args: readonly string[]): { readonly inspectPort: number | undefined } | undefined {
  // parseArgs knows no option that may stand with or without a value.
  const given = args.map((arg) => (arg === "--inspect" ? `--inspect=${usualInspectPort}` : arg));
  const { help, inspect } = parseValues(given, { help: { type: "boolean" }, inspect: { type: "string" } });
  if (help === true) return undefined;
  if (inspect === undefined) return { inspectPort: undefined };
  const inspectPort = /^\d+$/.test(inspect) ? Number(inspect) : 0;
  if (inspectPort < 1 || inspectPort > 65_535) throw new UsageError(`--inspect=${inspect}: a port from 1 to 65535`);
  return { inspectPort };
}

async function begin(served: Served): Promise<void> {
  const { config, log } = served;
  const { clone, handlersDir, demosDir } = config;
  let hasFault = false;
  const watch = await SourceWatch.begin({
    clone,
    handlersDir,
    demosDir,
    onChange: () => refresh.ask(),
    onFault: (error) => {
      // Where one folder is refused, the others usually are, too.
      if (!hasFault) log.event("error", faultText(error));
      hasFault = true;
    },
  });
  const refresh = new Refresh(served, watch);
  await refresh.followLinks();
  log.say(`${hasFault ? "not watching all of" : "watching"} ${handlersDir}, and what it may import`);
  void refresh.inspect();
}

/** Source of the limits: inotify(7). */
function faultText(error: NodeJS.ErrnoException): string {
  const advice =
    error.code === "ENOSPC"
      ? "raise the limit (sudo sysctl fs.inotify.max_user_watches=524288)"
      : error.code === "EMFILE"
        ? "raise the limit (sudo sysctl fs.inotify.max_user_instances=512, or ulimit -n)"
        : "fix this";
  return `changes may go unnoticed; ${advice}, then start again: ${error.message}`;
}

/** One replacement at a time; what is saved meanwhile goes into the next one. */
class Refresh {
  private readonly served: Served;
  private readonly watch: SourceWatch;
  private timer: NodeJS.Timeout | undefined;
  private isRunning = false;
  private isStale = false;
  /** Of the sources that were made live last; undefined where that is not known, or did not work. */
  private hash: string | undefined;
  private inspection = new AbortController();
  private isRefused = false;

  constructor(served: Served, watch: SourceWatch) {
    this.served = served;
    this.watch = watch;
  }

  ask(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.refresh(), settleMs);
  }

  async followLinks(): Promise<void> {
    const { releases, config } = this.served;
    // Where the folder of handlers is gone, the next refresh says so.
    this.watch.alsoWatch(await releases.linkedFolders(config).catch(() => []));
  }

  private async refresh(): Promise<void> {
    if (this.isRunning) {
      this.isStale = true;
      return;
    }
    this.isRunning = true;
    this.isStale = false;
    const again = await this.replace().finally(() => {
      this.isRunning = false;
    });
    if (again || this.isStale) this.ask();
  }

  /** @returns whether to try again. */
  private async replace(): Promise<boolean> {
    const { deploys, log, releases, config } = this.served;
    const hash = await releases.sourceHash(config).catch(() => undefined);
    if (hash !== undefined && hash === this.hash) return false;
    // What is checked of the code before takes processor time from what is saved now.
    this.inspection.abort(new Cancelled("saved again"));
    const outcome = await deploys.refresh();
    if (outcome === undefined) return true;
    // What did not work may work the next time, whatever it is due to.
    this.hash = outcome.ok ? hash : undefined;
    if (outcome.ok) {
      const { totalMs, handedOver, closed } = outcome.result;
      const closedBy = closedText(closed);
      // A deploy would be refused.
      const cost = closedBy === undefined ? "" : `, closed ${closedBy}`;
      log.say(`live after ${Math.round(totalMs)} ms, ${handedOver} connections handed over${cost}`);
    }
    // What the worker said of it is on the terminal already.
    else log.say(`not live, the code before still serves: ${outcome.error.split("\n")[0]}`);
    await this.followLinks();
    if (!this.isStale) void this.inspect();
    return false;
  }

  /** Says what a deploy would say. */
  async inspect(): Promise<void> {
    const { log, releases, config, ending } = this.served;
    this.inspection = new AbortController();
    const signal = AbortSignal.any([this.inspection.signal, ending]);
    let isAnnounced = false;
    const announcing = setTimeout(() => {
      log.say("checking whether a deploy would accept this …");
      isAnnounced = true;
    }, announceMs);
    try {
      await releases.inspect({ handlersDir: config.handlersDir, demosDir: config.demosDir, signal });
      if (this.isRefused || isAnnounced) log.say("a deploy would accept this");
      this.isRefused = false;
    } catch (error) {
      if (error instanceof Cancelled) return;
      if (error instanceof ReleaseError) log.say(`a deploy would refuse this:\n${error.message}`);
      else log.event("error", "could not check whether a deploy would accept this", { err: { stack: String(error) } });
      this.isRefused = true;
    } finally {
      clearTimeout(announcing);
    }
  }
}
