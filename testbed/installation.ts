// A live installation as `npm start` makes it, with a folder, ports and handlers of its own: what the chaos run strikes and
// the bench measures.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { onSignals } from "../process/signals.ts";
import { cacheFolder, clone as ourClone } from "../scripts/setup/cache.mjs";
import { askSupervisor } from "../supervisor/control.ts";
import type { DeployReport, SwitchReport } from "../supervisor/deploy-report.ts";
import { credentialsFile } from "../supervisor/nats-server/access.ts";
import { findNatsServer } from "../supervisor/nats-server/binary.ts";
import type { Status } from "../supervisor/status.ts";
import { endsWithUs } from "./ends-with-us.ts";
import { natsFolder, OwnNats } from "./own-nats.ts";
import { patienceMs } from "./patience.ts";
import { Signal, WaitedInVain } from "./signal.ts";

const lookMs = 20;
const keptLines = 400;

export interface Shape {
  readonly workers: number;
  readonly gateways: number;
  /** supervised: a nats-server that the supervisor keeps; own: one that we kill and start. */
  readonly nats: "supervised" | "own";
  /** For all of its Node processes: undefined leaves Node's own limit. */
  readonly heapMb?: number;
}

export interface Setting {
  /** Who asks: in the name of its folder, and what other deploys are told. */
  readonly name: string;
  readonly shape: Shape;
  /** Relative to the clone, and inside it. */
  readonly handlersDir: string;
  /** Further variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Another clone than ours. */
  readonly clone?: string;
  /** How many files each of its processes may have open; undefined: what ours may. */
  readonly openFiles?: number;
}

interface Parts {
  readonly setting: Setting;
  readonly clone: string;
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly nats: OwnNats | undefined;
}

export class Installation {
  readonly shape: Shape;
  readonly nats: OwnNats | undefined;
  /** What the processes log that nothing but a bug logs. */
  readonly complaints: string[] = [];
  /** The end of the log. */
  readonly lines: string[] = [];
  /** Of all that was logged. */
  loggedBytes = 0;
  /** What its commands need to find it. */
  readonly env: NodeJS.ProcessEnv;
  private readonly name: string;
  private readonly clone: string;
  private readonly folder: string;
  private readonly process: ChildProcess;
  private readonly exited: Promise<void>;
  private readonly signal = new Signal();
  private hasExited = false;
  private foundUrl = "";

  private constructor({ setting, clone, folder, env, nats }: Parts) {
    this.name = setting.name;
    this.shape = setting.shape;
    this.clone = clone;
    this.folder = folder;
    this.env = env;
    this.nats = nats;
    // What `npm start` runs. Not npm itself: it would stand between us and the signals. A group of its own: Ctrl-C is ours.
    const [program = "", ...args] = commandOf(setting);
    this.process = spawn(program, args, {
      cwd: this.clone,
      env: this.env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.read(line));
    }
    endsWithUs(this.process, "SIGTERM");
    this.exited = new Promise((resolve) => {
      this.process.once("exit", () => {
        this.hasExited = true;
        this.signal.tell();
        resolve();
      });
    });
  }

  /** Resolves when a message could be answered. */
  static async start(setting: Setting): Promise<Installation> {
    const { shape, clone = ourClone } = setting;
    const executable = await findNatsServer({ folder: join(cacheFolder({}), "nats"), environment: process.env });
    // In the clone, which ignores it: on one file system, so that packages are linked as in a real one.
    const folder = mkdtempSync(join(clone, `.thinstate-${setting.name}-`));
    const nats = shape.nats === "own" ? await OwnNats.start(executable, natsFolder(folder)) : undefined;
    const { NATS_URL: _, NODE_OPTIONS: options, ...inherited } = process.env;
    const heap = shape.heapMb === undefined ? "" : ` --max-old-space-size=${shape.heapMb}`;
    const env = {
      ...inherited,
      PATH: [dirname(executable), process.env.PATH].join(delimiter),
      THINSTATE_DIR: folder,
      HANDLERS_DIR: setting.handlersDir,
      DEMOS: "0",
      PORT: "0",
      ADMIN_PORT: "0",
      ADMIN_HOST: "127.0.0.1",
      NATS_PORT: "0",
      READY_TIMEOUT_MS: String(patienceMs),
      WORKERS: String(shape.workers),
      GATEWAYS: String(shape.gateways),
      NODE_OPTIONS: `${options ?? ""}${heap}`,
      ...setting.env,
      ...(nats && { NATS_URL: nats.url }),
    };
    const installation = new Installation({ setting, clone, folder, env, nats });
    try {
      const isThere = () => installation.foundUrl !== "" || installation.hasExited;
      await installation.signal.until(isThere, "npm start is ready", patienceMs);
      if (installation.hasExited) throw new Error("npm start ended");
      return installation;
    } catch (error) {
      const log = installation.lines.slice(-20).join("\n");
      await installation.end();
      throw new Error(`${(error as Error).message}\n${log}`);
    }
  }

  /** Starts one, uses it and ends it; a signal to us ends it, too, and a second one at once. */
  static async use<T>(setting: Setting, action: (installation: Installation) => Promise<T>): Promise<T> {
    const installation = await Installation.start(setting);
    const forget = onSignals((_signal, isRepeated) => {
      if (isRepeated) {
        installation.kill();
        process.exit(130);
      }
      void installation.end().then(() => process.exit(130));
    });
    try {
      return await action(installation);
    } finally {
      forget();
      await installation.end();
    }
  }

  get url(): string {
    return this.foundUrl;
  }

  /** With which a gateway is let in by NATS; undefined where that lets in everybody. */
  get natsCredentialsFile(): string | undefined {
    return this.nats === undefined ? credentialsFile(join(this.folder, "nats"), "gateway") : undefined;
  }

  /** Where the supervisor listens for commands: see controlPath. */
  get cacheFolder(): string {
    return this.folder;
  }

  get supervisorPid(): number {
    return this.process.pid ?? 0;
  }

  async status(): Promise<Status> {
    const outcome = await askSupervisor<Status>(this.folder, { request: "status" }, () => undefined);
    if (!outcome.ok) throw new Error(outcome.error);
    return outcome.result;
  }

  /** The workers that get work, in an order that does not change. */
  async workers(): Promise<Status["workers"]> {
    return (await this.status()).workers.filter(({ state }) => state === "active").sort((a, b) => a.pid - b.pid);
  }

  /** Resolves with the first status that is so. */
  async until(what: string, isSo: (status: Status) => boolean): Promise<Status> {
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await pause(lookMs)) {
      const status = await this.status();
      if (isSo(status)) return status;
    }
    throw new WaitedInVain(`waited ${patienceMs} ms in vain: ${what}\n${JSON.stringify(await this.status())}`);
  }

  /** Resolves when everything runs that should, and every worker has some of the connections. */
  async isWhole(): Promise<void> {
    const { workers, gateways } = this.shape;
    await this.until("every process runs again", (status) => {
      const active = status.workers.filter(({ state }) => state === "active");
      const isShared = active.every(({ pid, connections }) => isAlive(pid) && connections > 0);
      return active.length === workers && isShared && status.gateways.length === gateways;
    });
  }

  /** Resolves when the supervisor knows that a process has ended. */
  async isGone(pid: number): Promise<void> {
    await this.until(`process ${pid} is gone`, ({ workers }) => workers.every((worker) => worker.pid !== pid));
  }

  /** Resolves when nothing of the process is left. The supervisor forgets one that is silent before it kills it. */
  async isReplaced(pid: number): Promise<void> {
    await this.until(`process ${pid} is replaced`, () => !isAlive(pid));
  }

  /** `npm run` this, to its end. @throws with what it said, where it failed. */
  async run(command: "deploy-worker" | "rollback-worker"): Promise<SwitchReport> {
    const child = spawn("npm", ["run", "-s", command, "--", "--json"], {
      cwd: this.clone,
      env: this.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [said, errors] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    if (code !== 0) throw new Error(`npm run ${command} failed:\n${said}${errors}`);
    return JSON.parse(said.trimEnd().split("\n").at(-1) ?? "") as SwitchReport;
  }

  /**
   * The same, asked for at the supervisor itself, so that each step is heard of at once.
   * @returns What went wrong; undefined: the new release serves.
   */
  async deployInSteps(onStep: (step: string) => void): Promise<string | undefined> {
    const who = { pid: process.pid, user: this.name };
    const outcome = await askSupervisor<DeployReport>(this.folder, { request: "deploy", force: false, workers: 0, who }, onStep);
    return outcome.ok ? undefined : outcome.error;
  }

  /** Ends everything, in order; removes all files. */
  async end(): Promise<void> {
    if (!this.hasExited) this.process.kill("SIGTERM");
    const killing = setTimeout(() => this.process.kill("SIGKILL"), patienceMs);
    await this.exited;
    clearTimeout(killing);
    await this.nats?.kill();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  /** Ends everything at once. What the supervisor has started is ended by its guard; files stay. */
  private kill(): void {
    this.process.kill("SIGKILL");
    void this.nats?.kill();
  }

  private read(line: string): void {
    const [, url] = /^ready (ws:\S+)$/.exec(line) ?? [];
    if (url !== undefined) this.foundUrl = url;
    this.loggedBytes += Buffer.byteLength(line) + 1;
    this.lines.push(line);
    if (this.lines.length > keptLines) this.lines.shift();
    if (isComplaint(line)) this.complaints.push(line);
    this.signal.tell();
  }
}

function commandOf({ openFiles }: Setting): string[] {
  const command = [process.execPath, "scripts/start.mjs"];
  return openFiles === undefined ? command : ["sh", "-c", `ulimit -n ${openFiles}; exec "$@"`, "sh", ...command];
}

/** Whether a process is there; one that nobody has buried yet is, too. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A worker may be killed, by a signal or by a message with its exit code 13; it may not die of itself. */
function isComplaint(line: string): boolean {
  const isOwnEnd = /ended with exit code (?!13\b)/.test(line);
  return isOwnEnd || /unhandled|uncaught|"msg":"bug|could not be read|TypeError|RangeError/i.test(line);
}
