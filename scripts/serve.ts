// What `npm start` and `npm run dev` have in common: one supervisor, from the first line on the terminal to its end.

import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { longestWaitMs } from "../process/settings.ts";
import { SettingsFile } from "../process/settings-file.ts";
import { onSignals } from "../process/signals.ts";
import { isCodedError } from "../protocol/errors.ts";
import type { Config } from "../supervisor/config.ts";
import { askSupervisor, ControlServer, NotRunning } from "../supervisor/control.ts";
import { findControlSocket } from "../supervisor/control-socket.ts";
import { DebugPort } from "../supervisor/debug-port.ts";
import { DeployController } from "../supervisor/deploy-controller.ts";
import { envFileName, readEnvFile } from "../supervisor/env-file.ts";
import { type Checked, checkEverySetting, processSettings, SettingsRefused, settingNames } from "../supervisor/every-setting.ts";
import { StartRefused } from "../supervisor/listen-address.ts";
import { Log } from "../supervisor/log-display.ts";
import { NatsServerMissing } from "../supervisor/nats-server/binary.ts";
import { NatsUnreachable } from "../supervisor/presence.ts";
import { ReleaseError, type ReleaseStore } from "../supervisor/releases/release.ts";
import type { Status } from "../supervisor/status.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { misspeltSettings, unknownSettings } from "../supervisor/unknown-settings.ts";
import { clone } from "./setup/cache.mjs";
import { visible } from "./setup/visible.mjs";

/** How long the gateways of a supervisor that was killed may hold their port: reaper.sh gives them two seconds. */
const orphanPatienceMs = 4_000;

/** Nothing is given up because a debugger has stopped the one worker. */
const whileDebugging = {
  WORKERS: "1",
  WORKER_TIMEOUT_MS: String(longestWaitMs),
  TURN_TIMEOUT_MS: String(longestWaitMs),
  APP_TIMEOUT_MS: String(longestWaitMs),
  PARK_MS: String(longestWaitMs),
};

export interface Served {
  readonly config: Config;
  readonly deploys: DeployController;
  readonly log: Log;
  readonly releases: ReleaseStore;
  /** Aborts when all of it ends. */
  readonly ending: AbortSignal;
}

export interface ServeOptions {
  readonly isDev: boolean;
  /** Where debuggers find the worker; undefined: it cannot be debugged. */
  readonly inspectPort?: number | undefined;
  readonly onReady: (parts: Served) => void;
}

/** @returns The exit code, once everything has ended. */
export async function serve({ isDev, inspectPort, onReady }: ServeOptions): Promise<number> {
  const log = new Log(process.stdout, process.stderr, process.env.JOURNAL_STREAM);
  const given = environment(log);
  const env = given && inspectPort !== undefined ? { ...given, ...whileDebugging } : given;
  const checked = env && checkSettings(env, log);
  if (env === undefined || checked === undefined) return 1;
  const { config, payloadBytes } = checked;
  try {
    mkdirSync(config.cacheFolder, { recursive: true, mode: 0o700 });
    accessSync(config.cacheFolder, constants.W_OK);
  } catch (error) {
    return refuse(`${(error as Error).message}\nTHINSTATE_DIR has to name a folder that you may write to.`);
  }
  const handlerEnv = environmentOfHandlers(env, log);
  if (handlerEnv === undefined) return 1;
  const left = findControlSocket(config.cacheFolder);
  const wasKilled = left !== undefined && existsSync(left);
  const running = await runningText(config.cacheFolder);
  if (running !== undefined) return refuse(running);

  let debugPort: DebugPort | undefined;
  try {
    debugPort = inspectPort === undefined ? undefined : await DebugPort.listen(inspectPort);
  } catch (error) {
    return refuse(`--inspect=${inspectPort}: ${(error as Error).message}. --inspect=PORT names another port.`);
  }
  const portPatienceMs = wasKilled ? orphanPatienceMs : 0;
  const supervisor = new Supervisor({ config, payloadBytes, env, handlerEnv, log, isDev, portPatienceMs, debugPort });
  const deploys = new DeployController(supervisor, log);
  const control = await ControlServer.listen(config.cacheFolder, deploys.answer);
  const asked = endOnSignals(supervisor);
  try {
    await supervisor.start();
    log.say(`ready ${supervisor.url}`);
    if (supervisor.demosUrl !== undefined) log.say(`demos ${supervisor.demosUrl}`);
    else if (config.demosDir !== undefined && config.workers > 0)
      log.say("no demos: the release that serves was made without them; npm run deploy-worker makes one with them");
    log.say(`dashboard ${supervisor.dashboardUrl}`);
    if (config.workers === 0) log.say("no workers yet (WORKERS=0): what connects waits for npm run deploy-worker");
    if (debugPort !== undefined) log.say(`attach a debugger to ${debugPort.address}, which leads to the newest worker`);
    onReady({ config, deploys, log, releases: supervisor.releases, ending: supervisor.endSignal });
    return await asked.ended;
  } catch (error) {
    if (asked.isAsked()) return await asked.ended;
    await supervisor.stop();
    return refuse(refusalText(error));
  } finally {
    control.close();
  }
}

/** What SETTINGS_FILE says and the environment does not contradict. Where everything lies, other commands must find without it. */
function environment(log: Log): NodeJS.ProcessEnv | undefined {
  const { SETTINGS_FILE, THINSTATE_DIR } = process.env;
  const warnOfSlips = (all: NodeJS.ProcessEnv) => {
    const misspelt = misspeltSettings(process.env, all);
    if (misspelt !== undefined) log.event("warn", `environment: ${misspelt}`);
    return all;
  };
  if (SETTINGS_FILE === undefined || SETTINGS_FILE === "") return warnOfSlips(process.env);
  const path = resolve(clone, SETTINGS_FILE);
  try {
    const file = new SettingsFile(path, process.env);
    const unknown = unknownSettings(file.names);
    if (unknown !== undefined) log.event("warn", `SETTINGS_FILE=${path}: ${unknown}`);
    return warnOfSlips({ ...file.read(), SETTINGS_FILE: path, THINSTATE_DIR });
  } catch (error) {
    if (!isCodedError(error, "config.invalid")) throw error;
    refuse(error.message);
    return undefined;
  }
}

/** What `.env` has for handlers. */
function environmentOfHandlers(env: NodeJS.ProcessEnv, log: Log): NodeJS.ProcessEnv | undefined {
  try {
    const { variables, ignored } = readEnvFile(clone, env, [...settingNames(), ...processSettings, "SETTINGS_FILE", "THINSTATE_DIR"]);
    const text = `${envFileName} is for handlers only. These settings in it are ignored; set them in the environment or SETTINGS_FILE: ${ignored.join(", ")}`;
    if (ignored.length > 0) log.event("warn", text);
    return variables;
  } catch (error) {
    refuse((error as Error).message);
    return undefined;
  }
}

/** What is wrong with the settings of gateways and workers is found here too, before any of them starts. */
function checkSettings(env: NodeJS.ProcessEnv, log: Log): Checked | undefined {
  try {
    const checked = checkEverySetting(env);
    const { drainMs } = checked;
    const { stopTimeoutMs } = checked.config;
    if (drainMs >= stopTimeoutMs)
      log.event("warn", `DRAIN_MS=${drainMs} is not below STOP_TIMEOUT_MS=${stopTimeoutMs}, after which processes are killed`);
    return checked;
  } catch (error) {
    if (!(error instanceof SettingsRefused)) throw error;
    refuse(error.message);
    return undefined;
  }
}

async function runningText(cacheFolder: string): Promise<string | undefined> {
  try {
    const outcome = await askSupervisor<Status>(cacheFolder, { request: "status" }, () => undefined);
    if (!outcome.ok) return "thinstate is already starting here";
    const { pid, url, startedAt } = outcome.result;
    return `thinstate is already running here, since ${timeText(startedAt)}: process ${pid}, ${url}`;
  } catch (error) {
    if (error instanceof NotRunning) return undefined;
    throw error;
  }
}

/** "20:54:37", as all times of a day; "2026-11-22 20:54:37" where it was another day. */
function timeText(ms: number): string {
  const [at, now] = [new Date(ms), new Date()];
  const time = at.toLocaleTimeString("en-GB");
  return at.toDateString() === now.toDateString() ? time : `${at.toLocaleDateString("sv-SE")} ${time}`;
}

/** The first signal ends all in order, the second one at once. */
function endOnSignals(supervisor: Supervisor): { ended: Promise<number>; isAsked: () => boolean } {
  let isAsked = false;
  const ended = new Promise<number>((resolve) => {
    onSignals((signal, isRepeated) => {
      const ending = isRepeated ? supervisor.kill().then(() => 1) : supervisor.stop().then(() => 0);
      isAsked = true;
      void ending.then(resolve, (error) => resolve(refuse(`${signal}: ${error instanceof Error ? error.stack : error}`)));
    });
  });
  return { ended, isAsked: () => isAsked };
}

function refusalText(error: unknown): string {
  if (error instanceof ReleaseError) return `The handlers do not check out:\n${error.message}`;
  const isExpected =
    [StartRefused, NatsServerMissing, NatsUnreachable].some((kind) => error instanceof kind) || isCodedError(error) || isOfTheDisk(error);
  if (error instanceof Error) return isExpected ? error.message : (error.stack ?? error.message);
  return String(error);
}

/** Its message names the file: where we were is of no use to who has to make room. */
function isOfTheDisk(error: unknown): boolean {
  return (
    error instanceof Error && ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EISDIR", "EIO"].includes((error as NodeJS.ErrnoException).code ?? "")
  );
}

function refuse(text: string): number {
  process.stderr.write(`${visible(text)}\n`);
  return 1;
}
