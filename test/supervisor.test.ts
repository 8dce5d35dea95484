// The supervisor as a process: what it starts ends with it, however it ends.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import type { Status } from "../scripts/supervisor/status.ts";

const clone = dirname(dirname(fileURLToPath(import.meta.url)));
const testTimeoutMs = 60_000;
const cleanUps: (() => void)[] = [];

afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

/** A running `npm start` or what it says instead of running. */
class Start {
  readonly lines: string[] = [];
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  private readonly folder: string;

  constructor(folder: string, env: Record<string, string> = {}) {
    this.folder = folder;
    this.process = spawn(process.execPath, ["scripts/start.mjs"], {
      cwd: clone,
      env: { ...process.env, THINSTATE_DIR: folder, PORT: "0", ADMIN_PORT: "0", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.exited = once(this.process, "exit").then(([code]) => code as number | null);
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.lines.push(line));
    }
    cleanUps.push(() => this.process.kill("SIGKILL"));
  }

  async line(pattern: RegExp): Promise<string> {
    return until(`a line like ${pattern}`, () => {
      const found = this.lines.find((line) => pattern.test(line));
      if (found === undefined && this.process.exitCode !== null) throw new Error(`it ended:\n${this.lines.join("\n")}`);
      return found;
    });
  }

  status(): Status {
    const env = { ...process.env, THINSTATE_DIR: this.folder };
    return JSON.parse(execFileSync(process.execPath, ["scripts/start.mjs", "status", "--json"], { cwd: clone, env, encoding: "utf8" }));
  }

  /** What it keeps running: each in a process group of its own, unlike a passing `git`. */
  children(): number[] {
    const table = execFileSync("ps", ["-A", "-o", "pid=,ppid=,pgid="], { encoding: "utf8" }).trim().split("\n");
    const rows = table.map((row) => row.trim().split(/\s+/).map(Number));
    const own = rows.filter(([pid, parent, group]) => parent === this.process.pid && pid === group).map(([pid]) => pid as number);
    return own.filter(isAlive);
  }
}

function cacheFolder(): string {
  const folder = mkdtempSync(join(clone, ".thinstate-test-"));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const found = look();
    if (found !== undefined) return found;
  }
  throw new Error(`there was never ${what}`);
}

/** A zombie has ended, though nobody has asked how. */
function isAlive(pid: number): boolean {
  try {
    return !execFileSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" })
      .trim()
      .startsWith("Z");
  } catch {
    return false;
  }
}

test("kill -9 of the supervisor ends all that it has started, a stopped worker and a stopped gateway too", {
  timeout: testTimeoutMs,
}, async () => {
  const start = new Start(cacheFolder());
  await start.line(/^ready ws:/);
  const { workers, gateways, nats } = start.status();
  const children = start.children();
  expect(children).toEqual(expect.arrayContaining([nats.pid, ...workers.map(({ pid }) => pid), ...gateways.map(({ pid }) => pid)]));
  // One guard besides.
  expect(children).toHaveLength(5);
  process.kill(workers[0]?.pid as number, "SIGSTOP");
  process.kill(gateways[0]?.pid as number, "SIGSTOP");
  start.process.kill("SIGKILL");
  await until("an end of all children", () => (children.some(isAlive) ? undefined : true));
});

test("SIGTERM ends all that it has started, with exit code 0, and kills what hangs", { timeout: testTimeoutMs }, async () => {
  const start = new Start(cacheFolder(), { STOP_TIMEOUT_MS: "1000" });
  await start.line(/^ready ws:/);
  const children = start.children();
  process.kill(start.status().workers[0]?.pid as number, "SIGSTOP");
  start.process.kill("SIGTERM");
  expect(await start.exited).toBe(0);
  expect(children.filter((pid) => pid !== start.process.pid && isAlive(pid))).toEqual([]);
  expect(start.lines.some((line) => /worker-1\.\d has not ended within \d+ ms and is killed/.test(line))).toBe(true);
});

test("whatever is killed is started again: worker, gateway, nats-server, guard", { timeout: testTimeoutMs }, async () => {
  const start = new Start(cacheFolder(), { WORKERS: "1" });
  await start.line(/^ready ws:/);
  const before = start.children();
  for (const pid of before) process.kill(pid, "SIGKILL");
  const after = await until("as many children, all new", () => {
    const now = start.children();
    return now.length === before.length && !now.some((pid) => before.includes(pid)) ? now : undefined;
  });
  const { workers } = await until("a new worker", () => {
    const status = start.status();
    return status.workers.length === 1 && status.gateways.length === 1 ? status : undefined;
  });
  expect(after).toContain(workers[0]?.pid);
  // The new guard knows what runs.
  start.process.kill("SIGKILL");
  await until("an end of all children", () => (after.some(isAlive) ? undefined : true));
});

test("a second start in one cache folder says which one runs; one after its end serves the same release", {
  timeout: testTimeoutMs,
}, async () => {
  const folder = cacheFolder();
  const first = new Start(folder);
  const ready = await first.line(/^ready ws:/);
  const second = new Start(folder);
  expect(await second.exited).toBe(1);
  expect(second.lines.join("\n")).toContain(`process ${first.process.pid}, ${ready.replace("ready ", "")}`);
  first.process.kill("SIGTERM");
  expect(await first.exited).toBe(0);
  const third = new Start(folder);
  await third.line(/^ready ws:/);
  expect(third.status().release).toEqual({ id: "1", generation: 1 });
});

test("a start on a taken port names the process that has it", { timeout: testTimeoutMs }, async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUps.push(() => server.close());
  const { port } = server.address() as { port: number };
  const start = new Start(cacheFolder(), { PORT: String(port) });
  expect(await start.exited).toBe(1);
  const owner = process.platform === "linux" ? `process ${process.pid} (` : "another process";
  expect(start.lines.join("\n")).toContain(`port ${port} on 127.0.0.1 is taken by ${owner}`);
  expect(start.children()).toEqual([]);
});

test("mistakes in the environment of supervisor, gateway and worker are reported together", { timeout: testTimeoutMs }, async () => {
  const start = new Start(cacheFolder(), { WORKERS: "many", MESSAGE_BYTES: "-1", STATE_BYTES: "0" });
  expect(await start.exited).toBe(1);
  for (const name of ["WORKERS=many", "MESSAGE_BYTES=-1", "STATE_BYTES=0"]) expect(start.lines.join("\n")).toContain(name);
});

test("a NATS_URL where nobody answers ends the start with its name", { timeout: testTimeoutMs }, async () => {
  const start = new Start(cacheFolder(), { NATS_URL: "nats://127.0.0.1:1" });
  expect(await start.exited).toBe(1);
  expect(start.lines.join("\n")).toContain("NATS_URL=nats://127.0.0.1:1 cannot be reached");
});
