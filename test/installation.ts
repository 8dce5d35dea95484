// An installation as a newcomer has it: a clone, and the real commands that are typed in it.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { statFields } from "../process/proc-stat.ts";
import { askSupervisor } from "../supervisor/control.ts";
import { findNatsServer } from "../supervisor/nats-server/binary.ts";
import type { Status } from "../supervisor/status.ts";
import { patienceMs } from "../testbed/patience.ts";
import { unlimitedClients } from "../testbed/unlimited-clients.ts";

const ourClone = join(import.meta.dirname, "..");
const hasProc = existsSync("/proc/self/stat");

export type Environment = Readonly<Record<string, string>>;

/** One of the commands, running or ended. */
export class Command {
  /** Of both outputs, as they came. */
  readonly lines: string[] = [];
  readonly process: ChildProcess;
  /** Its exit code, when all that it said has been read; null where a signal ended it. */
  readonly exited: Promise<number | null>;
  stdout = "";
  private hasExited = false;
  private readonly listeners = new Set<() => void>();

  constructor(clone: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.process = spawn(process.execPath, ["scripts/start.mjs", ...args], { cwd: clone, env, stdio: ["ignore", "pipe", "pipe"] });
    this.exited = new Promise((resolve) => {
      this.process.once("close", (code) => {
        this.hasExited = true;
        this.tell();
        resolve(code);
      });
    });
    for (const name of ["stdout", "stderr"] as const) {
      const stream = this.process[name];
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        this.lines.push(line);
        if (name === "stdout") this.stdout += `${line}\n`;
        this.tell();
      });
    }
  }

  get output(): string {
    return this.lines.join("\n");
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** @param from The first line that counts. */
  line(pattern: RegExp, from = 0): Promise<string> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        this.listeners.delete(look);
        settle();
      };
      const look = () => {
        const found = this.lines.slice(from).find((line) => pattern.test(line));
        if (found !== undefined) end(() => resolve(found));
        else if (this.hasExited) end(() => reject(new Error(`it ended without a line like ${pattern}:\n${this.output}`)));
      };
      const timer = setTimeout(() => end(() => reject(new Error(`no line like ${pattern} came:\n${this.output}`))), patienceMs);
      this.listeners.add(look);
      look();
    });
  }

  /** What it keeps running: each in a process group of its own, unlike a passing `git`. */
  children(): number[] {
    const table = execFileSync("ps", ["-A", "-o", "pid=,ppid=,pgid=,stat="], { encoding: "utf8" }).trim().split("\n");
    const rows = table.map((row) => row.trim().split(/\s+/));
    const own = String(this.process.pid);
    return rows.flatMap(([pid, parent, group, state]) => (parent === own && pid === group && !isZombie(state) ? Number(pid) : []));
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

export class Installation {
  readonly clone: string;
  readonly cacheFolder: string;
  private readonly env: NodeJS.ProcessEnv;
  private readonly folder: string;
  private readonly started: Command[] = [];

  private constructor({ clone, folder, cacheFolder, env }: { clone: string; folder: string; cacheFolder: string; env: NodeJS.ProcessEnv }) {
    this.clone = clone;
    this.folder = folder;
    this.cacheFolder = cacheFolder;
    this.env = env;
  }

  /** In our own clone, with a cache folder of its own: for what edits nothing. */
  static async here(env: Environment = {}): Promise<Installation> {
    const folder = temporaryFolder();
    return new Installation({ clone: ourClone, folder, cacheFolder: folder, env: await environment({ ...env, THINSTATE_DIR: folder }) });
  }

  /** In a clone of the working tree, which a test may edit and break. Its node_modules is a link to ours. */
  static async cloned(env: Environment = {}): Promise<Installation> {
    const folder = temporaryFolder();
    const clone = join(folder, "clone");
    const isSource = (path: string) => !/^(\.git|node_modules|\.thinstate.*)$/.test(basename(path));
    mkdirSync(clone);
    // One by one: our clone cannot be copied whole into a folder of itself.
    for (const name of readdirSync(ourClone).filter(isSource)) cpSync(join(ourClone, name), join(clone, name), { recursive: true });
    const installation = new Installation({ clone, folder, cacheFolder: join(clone, ".thinstate"), env: await environment(env) });
    installation.linkPackages();
    return installation;
  }

  /** node_modules as it is at first, whatever a test has made of it. */
  linkPackages(): void {
    rmSync(join(this.clone, "node_modules"), { recursive: true, force: true });
    symlinkSync(join(ourClone, "node_modules"), join(this.clone, "node_modules"));
  }

  /** `npm start`, or another command that serves. */
  start(env: Environment = {}, args: readonly string[] = []): Command {
    return this.command(args, env);
  }

  command(args: readonly string[], env: Environment = {}): Command {
    const command = new Command(this.clone, args, { ...this.env, ...env });
    this.started.push(command);
    return command;
  }

  /** Runs a command to its end. */
  async run(...args: string[]): Promise<{ exitCode: number | null; output: string; stdout: string }> {
    const command = this.command(args);
    const exitCode = await command.exited;
    return { exitCode, output: command.output, stdout: command.stdout };
  }

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.clone, file)), { recursive: true });
    writeFileSync(join(this.clone, file), text);
  }

  remove(file: string): void {
    rmSync(join(this.clone, file), { recursive: true });
  }

  /** Asks the supervisor itself: a command takes longer. */
  async status(): Promise<Status> {
    const outcome = await askSupervisor<Status>(this.cacheFolder, { request: "status" }, () => undefined);
    if (!outcome.ok) throw new Error(outcome.error);
    return outcome.result;
  }

  /** Resolves with the first status that is so. */
  async statusWhere(what: string, isSo: (status: Status) => boolean): Promise<Status> {
    return until(what, async () => {
      const status = await this.status();
      return isSo(status) ? status : undefined;
    });
  }

  /** Everything in the folder of releases: whole releases by name, the oldest first, and leftovers before them. */
  releases(): string[] {
    return readdirSync(join(this.cacheFolder, "releases")).sort();
  }

  /** What `current` leads to. */
  current(): string {
    return basename(readlinkSync(join(this.cacheFolder, "current")));
  }

  /** Ends what still runs, and removes all files. */
  async end(): Promise<void> {
    for (const { process } of this.started) process.kill("SIGTERM");
    await Promise.all(this.started.map(({ exited }) => exited));
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** Looks again and again, for what nobody tells us of. */
export async function until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(`there was never ${what}`);
}

/** The release that a line is about: "activating release …". */
export function releaseIn(line: string): string {
  return /release (\S+)/.exec(line)?.[1] ?? "";
}

/** A zombie has ended, though nobody has asked how. */
export function isAlive(pid: number): boolean {
  try {
    // Asked for again and again: to start ps each time would take the processor from what is waited for.
    if (hasProc) return !isZombie(statFields(readFileSync(`/proc/${pid}/stat`, "latin1"))[0]);
    return !isZombie(execFileSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" }).trim());
  } catch {
    return false;
  }
}

function isZombie(state = ""): boolean {
  return state.startsWith("Z");
}

/** In our clone, which ignores it: on one file system, so that packages are linked as in a real one. */
function temporaryFolder(): string {
  return mkdtempSync(join(ourClone, ".thinstate-test-"));
}

async function environment(env: Environment): Promise<NodeJS.ProcessEnv> {
  // Where a clean machine's set-up has fetched it to: an installation with a cache folder of its own would fetch it again.
  const natsServer = await findNatsServer({ folder: join(ourClone, ".thinstate", "nats"), environment: process.env });
  const PATH = [dirname(natsServer), process.env.PATH].join(delimiter);
  const ours = { PORT: "0", ADMIN_PORT: "0", NATS_PORT: "0", WATCH_MS: "300", READY_TIMEOUT_MS: String(patienceMs) };
  return { ...process.env, PATH, ...unlimitedClients, ...ours, ...env };
}
