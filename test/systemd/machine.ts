// A Debian with a real systemd as its first process, for a test: booted in a container from a read-only image, gone without a
// trace at its end. It shares the network with this machine, so clients reach it on loopback, and ports have to be free here.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { patienceMs } from "../../testbed/patience.ts";
import { imageOf, type Suite } from "./image.ts";
import { nodeOf, packagesOf } from "./node.ts";

const ourClone = join(import.meta.dirname, "..", "..");
/** What they are recommended with. */
const nodes = { bookworm: "20", trixie: "24" } as const;
/** Where the clone is in the machine: what is written there stays there. */
export const cloneInside = "/srv/app";

export interface Result {
  /** null: ended by a signal. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Machine {
  private readonly container: ChildProcess;
  private readonly leader: number;
  private readonly abort: () => void;

  private constructor(container: ChildProcess, leader: number, abort: () => void) {
    this.container = container;
    this.leader = leader;
    this.abort = abort;
  }

  /** Resolves when it has booted. */
  static async boot(suite: Suite): Promise<Machine> {
    const image = await imageOf(suite);
    const software = await softwareOf(nodes[suite]);
    const args = [
      "--quiet",
      `--directory=${image}`,
      // Changes go into memory, and others may use the image at the same time.
      "--read-only",
      "--volatile=overlay",
      "--boot",
      "--register=no",
      "--keep-unit",
      "--resolv-conf=off",
      `--bind-ro=${software.node}:/usr/local/bin/node`,
      `--overlay=${ourClone}::${cloneInside}`,
      ...(software.packages === undefined ? [] : [`--bind-ro=${software.packages}:${cloneInside}/node_modules`]),
    ];
    // A control group of its own: else machines that run side by side find each other's processes in services of the same name.
    const group = join(controlGroup(), `thinstate-${randomBytes(5).toString("hex")}`);
    const script = 'mkdir "$0" && echo $$ >"$0/cgroup.procs" && exec systemd-nspawn "$@"';
    const container = spawn("sh", ["-c", script, group, ...args], { stdio: ["ignore", "pipe", "pipe"], detached: true });
    // systemd-nspawn has made it in the legacy hierarchy, too.
    const groups = [...new Set([group, group.replace("/unified/", "/systemd/")])];
    container.once("exit", () => execFile("find", [...groups, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]));
    // A container outlives its systemd-nspawn, but not its first process.
    const abort = () => {
      const leader = firstChild(container.pid ?? 0);
      if (leader !== undefined) process.kill(leader, "SIGKILL");
      container.kill("SIGKILL");
    };
    process.once("exit", abort);
    let output = "";
    for (const stream of [container.stdout, container.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    const deadline = Date.now() + patienceMs;
    // Its first process, then the answer of that.
    for (; Date.now() < deadline && container.exitCode === null; await pause(50)) {
      const leader = firstChild(container.pid ?? 0);
      if (leader === undefined) continue;
      const machine = new Machine(container, leader, abort);
      const { stdout } = await machine.try("systemctl", "is-system-running", "--wait");
      if (/running|degraded/.test(stdout)) return machine;
    }
    abort();
    throw new Error(`the machine did not boot:\n${output}`);
  }

  /** Runs a command as root, in the clone. @throws where it fails. @returns its stdout. */
  async run(command: string, ...args: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.try(command, ...args);
    if (exitCode !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${exitCode}:\n${stdout}${stderr}`);
    return stdout;
  }

  try(command: string, ...args: readonly string[]): Promise<Result> {
    return this.hear(() => undefined, command, ...args);
  }

  /** @param onText What it writes to stderr, as it comes. */
  hear(onText: (text: string) => void, command: string, ...args: readonly string[]): Promise<Result> {
    return new Promise((resolve) => {
      const entering = ["--target", String(this.leader), "--all", `--wdns=${cloneInside}`, command, ...args];
      const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LC_ALL: "C.UTF-8" };
      const child = execFile(
        "nsenter",
        entering,
        { env: { ...env, ...this.environment }, maxBuffer: 2 ** 26 },
        (_error, stdout, stderr) => {
          resolve({ exitCode: child.exitCode, stdout, stderr });
        },
      );
      child.stderr?.on("data", (chunk) => onText(String(chunk)));
    });
  }

  /** Of every command. */
  readonly environment: Record<string, string> = {};

  /** One of our npm scripts. */
  npm(script: string, ...args: readonly string[]): Promise<Result> {
    return this.try("node", "scripts/start.mjs", script, ...args);
  }

  /** A property of a unit. */
  async show(unit: string, property: string): Promise<string> {
    return (await this.run("systemctl", "show", "--value", `--property=${property}`, unit)).trim();
  }

  async kill(signal: "KILL" | "STOP", pid: string): Promise<void> {
    // Of the shell: a small Debian has no other.
    await this.run("sh", "-c", 'kill -s "$1" "$2"', "sh", signal, pid);
  }

  /** What all units have logged until now. */
  async journal(...args: readonly string[]): Promise<string> {
    await this.run("journalctl", "--sync");
    return this.run("journalctl", "--no-pager", "--quiet", ...args);
  }

  /** @param path From the clone, or absolute. */
  async write(path: string, text: string): Promise<void> {
    await this.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1"', "sh", resolve(cloneInside, path), text);
  }

  async stop(): Promise<void> {
    process.removeListener("exit", this.abort);
    if (this.container.exitCode !== null) return;
    const ended = new Promise((resolve) => this.container.once("exit", resolve));
    const killing = setTimeout(this.abort, patienceMs);
    void this.try("systemctl", "poweroff");
    await ended;
    clearTimeout(killing);
  }
}

/** @returns A Node's executable, and the packages that it needs where ours are another one's. */
async function softwareOf(nodeMajor: string): Promise<{ node: string; packages?: string }> {
  if (process.versions.node.startsWith(`${nodeMajor}.`)) return { node: process.execPath };
  const files = await nodeOf(nodeMajor);
  return { node: files.node, packages: await packagesOf(nodeMajor, files) };
}

/** The folder of this process's control group, where systemd-nspawn makes those of a container. Source: cgroups(7). */
function controlGroup(): string {
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "latin1"))?.[1] ?? "/";
  // Where the legacy ones are in use beside it.
  const hybrid = "/sys/fs/cgroup/unified";
  return join(existsSync(hybrid) ? hybrid : "/sys/fs/cgroup", own);
}

function firstChild(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ")[0]) || undefined;
  } catch {
    return undefined;
  }
}
