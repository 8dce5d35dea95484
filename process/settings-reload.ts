// SIGHUP: reads the settings file again, and has the process take over what may change while it runs. What may not is named in
// the log. A mistake leaves everything as it was, and the log names each. Whoever has asked may wait for the answer: a signal
// has none, so it is a file (systemd/reload.sh).

import { renameSync, writeFileSync } from "node:fs";
import { isCodedError } from "../protocol/errors.ts";
import type { Environment, SettingsFile } from "./settings-file.ts";

export interface ReloadOptions<Config extends object> {
  readonly file: SettingsFile;
  /** pino's. */
  readonly log: { level: string } & Record<"info" | "warn" | "error", (fields: object, text: string) => void>;
  /** What the process has begun with. */
  readonly config: Config;
  /** Variables that may change while it runs. */
  readonly live: ReadonlySet<keyof Config & string>;
  /** @throws {CodedError} "config.invalid" */
  readonly parse: (environment: Environment) => Config;
  /**
   * Takes over the settings, all of them or none.
   * @returns what the log is to tell besides.
   * @throws {CodedError} "config.invalid"
   */
  readonly apply: (config: Config) => object | Promise<object>;
  /** Written each time: empty, or why settings are unchanged. Empty itself: nobody waits for that. */
  readonly answerFile: string;
}

export class Reload<Config extends object & { readonly LOG_LEVEL: string }> {
  private readonly options: ReloadOptions<Config>;
  private config: Config;
  private running: Promise<void> = Promise.resolve();

  constructor(options: ReloadOptions<Config>) {
    this.options = options;
    this.config = options.config;
  }

  /** One after the other, however many signals come. Never rejects. */
  run(): Promise<void> {
    this.running = this.running.then(() => this.once());
    return this.running;
  }

  private async once(): Promise<void> {
    const { file, log, live, parse, apply } = this.options;
    try {
      const { config, changed, needRestart } = changesOf(this.config, parse(file.read()), live);
      const more = await apply(config);
      this.config = config;
      log.info({ changed, ...more }, "settings were read again");
      const overruled = file.overruled();
      if (needRestart.length > 0) log.warn({ variables: needRestart }, `these need a restart: ${needRestart.join(", ")}`);
      if (overruled.length > 0) log.warn({ variables: overruled }, `the environment takes precedence: ${overruled.join(", ")}`);
      // Last: what was asked for is told of as before.
      log.level = config.LOG_LEVEL;
      this.answer("");
    } catch (error) {
      const text = `settings are unchanged: ${error instanceof Error ? error.message : error}`;
      if (isCodedError(error, "config.invalid")) log.error({ code: error.code }, text);
      else log.error({ err: error }, "settings are unchanged");
      this.answer(`${text}\n`);
    }
  }

  private answer(text: string): void {
    const { answerFile, log } = this.options;
    if (answerFile === "") return;
    try {
      // At once: nobody reads half of it.
      writeFileSync(`${answerFile}.new`, text);
      renameSync(`${answerFile}.new`, answerFile);
    } catch (error) {
      log.error({ err: error }, "the result of the reload could not be written");
    }
  }
}

/** What becomes of settings that were read again. */
export function changesOf<Config extends object>(
  before: Config,
  after: Config,
  live: ReadonlySet<keyof Config & string>,
): { config: Config; changed: Partial<Config>; needRestart: string[] } {
  const names = (Object.keys(after) as Array<keyof Config & string>).filter((name) => before[name] !== after[name]);
  const changed: Partial<Config> = {};
  for (const name of names) if (live.has(name)) changed[name] = after[name];
  return { config: Object.freeze({ ...before, ...changed }), changed, needRestart: names.filter((name) => !live.has(name)) };
}
