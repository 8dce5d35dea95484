// The lines that a process says, as systemd-notify is told them. test/systemd has a real systemd that hears them.

import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";

let folder: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-notify-"));
  const program = join(folder, "systemd-notify");
  // In the place of systemd's: writes down what it is given.
  writeFileSync(program, '#!/bin/sh\necho "$1" >&2\n');
  chmodSync(program, 0o755);
});

afterEach(() => {
  child?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a process that says these things. @returns what systemd-notify is told, line by line. */
function run(script: string, environment: Record<string, string>): AsyncIterableIterator<string> {
  const code = `import { Notify } from "${join(import.meta.dirname, "notify.ts")}";
    const notify = new Notify({ NOTIFY_SOCKET: process.env.NOTIFY_SOCKET ?? "", WATCHDOG_USEC: Number(process.env.WATCHDOG_USEC ?? 0) });
    setInterval(() => undefined, 1000);
    ${script}`;
  child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], {
    cwd: join(import.meta.dirname, ".."),
    // A container's own manager may listen to the tests.
    env: { ...process.env, NOTIFY_SOCKET: "", ...environment, PATH: `${folder}:${process.env.PATH}` },
    stdio: ["ignore", "inherit", "pipe"],
  });
  return createInterface({ input: child.stderr as NonNullable<ChildProcess["stderr"]> })[Symbol.asyncIterator]();
}

async function take(lines: AsyncIterableIterator<string>, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) {
    const { value, done } = await lines.next();
    if (done === true) break;
    taken.push(value);
  }
  return taken;
}

test("status, then ready, then food for the watchdog; a status only where it has changed", async () => {
  const script = 'let n = 0; notify.ready(() => (++n < 3 ? "two\\nlines" : "another"));';
  const lines = run(script, { NOTIFY_SOCKET: "/somewhere", WATCHDOG_USEC: "2000000" });
  expect(await take(lines, 3)).toEqual(["STATUS=two lines", "READY=1", "WATCHDOG=1"]);
  const later = await take(lines, 12);
  expect(new Set(later)).toEqual(new Set(["WATCHDOG=1", "STATUS=another"]));
  expect(later.filter((line) => line.startsWith("STATUS="))).toHaveLength(1);
});

test("a main loop that hangs says nothing", async () => {
  const script = 'notify.ready(() => "well"); setTimeout(() => { for (;;); }, 300);';
  const lines = run(script, { NOTIFY_SOCKET: "/somewhere", WATCHDOG_USEC: "400000" });
  expect(await take(lines, 3)).toEqual(["STATUS=well", "READY=1", "WATCHDOG=1"]);
  const isSilent = Symbol("silent");
  let next = lines.next();
  // What it had said before it began to hang.
  for (;;) {
    const first = await Promise.race([next, new Promise((resolve) => setTimeout(resolve, 1_000, isSilent))]);
    if (first === isSilent) return;
    next = lines.next();
  }
});

test("a watchdog of another length is asked for, and what may take long at the end", async () => {
  const lines = run('notify.ready(() => "well", 60_000); notify.stopping(8_000);', {
    NOTIFY_SOCKET: "/somewhere",
    WATCHDOG_USEC: "10000000",
  });
  expect(await take(lines, 5)).toEqual(["STATUS=well", "WATCHDOG_USEC=60000000", "READY=1", "STOPPING=1", "EXTEND_TIMEOUT_USEC=10000000"]);
});

test("where nobody listens nothing is started, and nothing said", async () => {
  const lines = run('notify.ready(() => "well"); notify.stopping(1); setTimeout(() => process.exit(0), 200);', {});
  expect(await take(lines, 1)).toEqual([]);
});

test("what hands it on ends with the process, however that ends", async () => {
  const lines = run('notify.ready(() => "well");', { NOTIFY_SOCKET: "/somewhere" });
  await take(lines, 2);
  child?.kill("SIGKILL");
  // Its end of stderr was the last one.
  expect(await take(lines, 1)).toEqual([]);
});

test("at the end everything is handed on, and nothing is left running", async () => {
  const lines = run('notify.ready(() => "well"); notify.stopping(8_000); await notify.end(); console.error("ended"); process.exit(0);', {
    NOTIFY_SOCKET: "/somewhere",
  });
  expect(await take(lines, 6)).toEqual(["STATUS=well", "READY=1", "STOPPING=1", "EXTEND_TIMEOUT_USEC=10000000", "ended"]);
});
