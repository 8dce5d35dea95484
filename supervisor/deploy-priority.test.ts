import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { hasAutogroups, sessionNice } from "../test/autogroup.ts";
import { patienceMs } from "../testbed/patience.ts";
import { CpuThrottle } from "./deploy-priority.ts";

let child: ChildProcess;

afterEach(() => {
  child.kill();
});

/** A process that leads a session. */
function start(): number {
  child = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
  return child.pid ?? 0;
}

// The kernel may put off what was asked for, by whoever is not root.
const patience = { timeout: patienceMs, interval: 10 };

describe.runIf(hasAutogroups)("a process is held back", () => {
  test("until it is ready", async () => {
    const pid = start();
    const cpuThrottle = new CpuThrottle(pid);
    await vi.waitFor(() => expect(sessionNice(pid)).toBe(5), patience);
    cpuThrottle.end();
    await vi.waitFor(() => expect(sessionNice(pid)).toBe(0), patience);
  });

  test("for two seconds at most", async () => {
    const pid = start();
    new CpuThrottle(pid);
    await vi.waitFor(() => expect(sessionNice(pid)).toBe(5), patience);
    await vi.waitFor(() => expect(sessionNice(pid)).toBe(0), patience);
  });
});

test.runIf(hasAutogroups)("what leads no session leaves that of others alone", async () => {
  child = spawn("sleep", ["60"], { stdio: "ignore" });
  const pid = child.pid ?? 0;
  const before = sessionNice(pid);
  const cpuThrottle = new CpuThrottle(pid);
  await pause(250);
  expect(sessionNice(pid)).toBe(before);
  cpuThrottle.end();
});

test("what has ended, and a system without such groups, are none of its business", async () => {
  const pid = start();
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill();
  await ended;
  expect(() => new CpuThrottle(pid).end()).not.toThrow();
});
