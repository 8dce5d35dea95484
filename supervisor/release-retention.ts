// The releases of an installation, as its supervisor uses them: which one serves first, and which ones are put away.

import { statSync } from "node:fs";
import { join } from "node:path";
import type { Activation } from "../protocol/membership.ts";
import type { Config } from "./config.ts";
import type { Log } from "./log-display.ts";
import type { Release, ReleaseStore } from "./releases/release.ts";
import { isDevRelease } from "./releases/release-name.ts";

/** Besides those that are in use. */
const keptReleases = 5;

export interface ReleaseRetentionOptions {
  readonly config: Config;
  readonly releases: ReleaseStore;
  readonly log: Pick<Log, "event" | "say">;
  readonly isDev: boolean;
}

export class ReleaseRetention {
  private readonly options: ReleaseRetentionOptions;

  constructor(options: ReleaseRetentionOptions) {
    this.options = options;
  }

  /** What served last, else the working tree; undefined where no workers are wanted. */
  async first(recorded: Activation | undefined, signal: AbortSignal): Promise<{ release: Release; generation: number } | undefined> {
    const { config, releases, log, isDev } = this.options;
    if (config.workers === 0) return undefined;
    const known = recorded === undefined || isDev ? undefined : await releases.get(recorded.release);
    if (known !== undefined && recorded !== undefined) return { release: known, generation: recorded.generation };
    if (recorded !== undefined && !isDev) log.event("warn", `release ${recorded.release} is gone: the working tree serves instead`);
    const onStep = (text: string) => log.event("info", `first release: ${text}`);
    const { handlersDir, demosDir } = config;
    const release = await releases.make({ handlersDir, demosDir, previous: null, check: !isDev, isFirst: true, onStep, signal });
    return { release, generation: (recorded?.generation ?? 0) + 1 };
  }

  /** What can wait until clients are served. */
  async tidy(serving: Release | undefined): Promise<void> {
    const { config, releases, log, isDev } = this.options;
    try {
      await releases.clean();
      for (const { id } of await releases.list()) if (isDevRelease(id) && id !== serving?.id) await releases.remove(id);
      if (serving === undefined || isDev) return;
      if (statSync(join(config.clone, config.handlersDir), { throwIfNoEntry: false })?.isDirectory() !== true) {
        const { id, manifest } = serving;
        const text = `HANDLERS_DIR: there is no folder ${config.handlersDir}, which the next deploy would need`;
        return log.event("warn", `${text}. What serves is release ${id}, which was made of ${manifest.handlersDir}`);
      }
      const hash = await releases.sourceHash(config);
      if (hash !== serving.manifest.sourceHash)
        log.say(`worker code has changed since release ${serving.id}, which serves; npm run deploy-worker makes the changes live`);
    } catch (error) {
      this.report(error);
    }
  }

  /** Removes the oldest, but none that is in use. A deploy that has succeeded does not fail for it. */
  async prune(used: readonly string[]): Promise<void> {
    await this.options.releases.prune(keptReleases, used).catch((error) => this.report(error));
  }

  /** Nobody can roll back to a dev release: it goes with its workers. */
  async drained(releaseId: string): Promise<void> {
    if (isDevRelease(releaseId)) await this.options.releases.remove(releaseId).catch((error) => this.report(error));
  }

  private report(error: unknown): void {
    const stack = error instanceof Error ? error.stack : String(error);
    this.options.log.event("error", "could not remove old releases", { err: { stack } });
  }
}
