// The script that waits before a service is started again.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const script = join(import.meta.dirname, "..", "..", "systemd", "back-off.sh");

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-back-off-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** @returns how long it has waited, as it says itself and by the clock. */
function start(): number {
  const before = performance.now();
  execFileSync(script, { env: { ...process.env, RUNTIME_DIRECTORY: folder } });
  const waitedMs = performance.now() - before;
  const pauseMs = Number(readFileSync(join(folder, "pause"), "utf8"));
  expect(waitedMs).toBeGreaterThanOrEqual(pauseMs);
  return pauseMs;
}

function write(name: string, value: number | string): void {
  writeFileSync(join(folder, name), `${value}\n`);
}

test("the first start waits for nothing; short lives let the pauses grow", () => {
  expect([start(), start(), start()]).toEqual([0, 100, 200]);
});

test("a life of ten seconds was a good one: the pauses start anew", () => {
  start();
  write("pause", 10_000);
  write("started", Date.now() - 10_000);
  expect(start()).toBe(0);
});

test("what had been ready is back within a second, and has to be ready again for that", () => {
  start();
  write("pause", 800);
  write("ready", "");
  expect(start()).toBe(1_000);
  expect(existsSync(join(folder, "ready"))).toBe(false);
});
