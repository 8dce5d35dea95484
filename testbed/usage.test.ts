import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { canTellUsage, cpuSecondsOf, machineSeconds, parseCpuSeconds, parseResidentBytes, pidsOfGroup, residentBytesOf } from "./usage.ts";

test("processor time is read from behind a name that may hold anything", () => {
  expect(parseCpuSeconds("12 (a) R 1 (b)) S 1 12 12 0 -1 4194304 500 0 0 0 250 150 7 9 20 0 11 0 1000 2000 300")).toBe(4);
});

test("resident memory is read in bytes", () => {
  expect(parseResidentBytes("Name:\tnode\nVmPeak:\t  900 kB\nVmRSS:\t  54321 kB\nThreads:\t11\n")).toBe(54_321 * 1024);
});

test.runIf(canTellUsage)("our own process is told of as Node tells of it", () => {
  const { user, system } = process.cpuUsage();
  expect(Math.abs(cpuSecondsOf([process.pid]) - (user + system) / 1e6)).toBeLessThan(0.2);
  expect(residentBytesOf([process.pid]) / process.memoryUsage.rss()).toBeCloseTo(1, 1);
});

test("a machine is never busier than it can be", () => {
  const { busy, all } = machineSeconds();
  expect(busy).toBeGreaterThan(0);
  expect(busy).toBeLessThanOrEqual(all);
});

test.runIf(process.platform === "linux")("a process that has ended has no memory", () => {
  const { pid } = spawnSync(process.execPath, ["--version"]);
  expect(residentBytesOf([pid])).toBe(0);
});

test.runIf(canTellUsage)("a group's processes are found, also those that one of them has started", async () => {
  const leader = spawn("sh", ["-c", "sleep 60 & echo $!; wait"], { detached: true, stdio: ["ignore", "pipe", "ignore"] });
  const [line] = (await once(leader.stdout, "data")) as [Buffer];
  const { pid = 0 } = leader;
  try {
    expect(pidsOfGroup(pid).toSorted((a, b) => a - b)).toEqual([pid, Number(line.toString())].toSorted((a, b) => a - b));
  } finally {
    process.kill(-pid, "SIGKILL");
  }
  await once(leader, "exit");
  expect(pidsOfGroup(pid)).not.toContain(pid);
});
