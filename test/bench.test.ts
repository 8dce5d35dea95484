// The bench itself, shortened: one row, once, for a second.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RowResult } from "../bench/comparison.ts";
import { noFaults } from "../bench/load/faults.ts";
import { isAlive, until } from "./installation.ts";

const clone = join(import.meta.dirname, "..");
const hasGit = spawnSync("git", ["rev-parse", "HEAD"], { cwd: clone }).status === 0;
const short = ["--only", "echo", "--times", "1", "--seconds", "1"];

function bench(...args: string[]) {
  const child = spawn(process.execPath, ["scripts/start.mjs", "bench", ...args], { cwd: clone, stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (chunk: Buffer) => {
      said[name] += chunk.toString();
    });
  }
  const ended = new Promise<{ exitCode: number | null; stdout: string; stderr: string }>((resolve) =>
    child.once("close", (exitCode) => resolve({ exitCode, ...said })),
  );
  return { child, ended };
}

/** Whoever it has started, and whoever they have. */
function descendantsOf(pid: number): { pid: number; command: string }[] {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" }).trim().split("\n");
  const all = lines.map((line) => {
    const [, own = "", parent = "", command = ""] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return { pid: Number(own), parent: Number(parent), command };
  });
  const found = all.filter(({ parent }) => parent === pid);
  return [...found, ...found.flatMap((child) => descendantsOf(child.pid))];
}

function worktrees(): string[] {
  return execFileSync("git", ["worktree", "list"], { cwd: clone, encoding: "utf8" }).trim().split("\n");
}

function folders(): string[] {
  return readdirSync(clone).filter((name) => name.startsWith(".thinstate-bench-"));
}

test("a row is a ratio to the bare server, with nothing lost", async () => {
  const { exitCode, stdout, stderr } = await bench(...short, "--json").ended;
  const [result] = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as RowResult);
  expect(result, stderr).toMatchObject({ row: "echo", times: 1, faults: { subject: noFaults, reference: noFaults } });
  const [figure] = result?.figures ?? [];
  expect(figure?.ratio?.median).toBeGreaterThan(0);
  expect(figure?.subject.value.median).toBeGreaterThan(1000);
  expect(figure?.reference?.value.median).toBeGreaterThan(1000);
  expect(exitCode).toBe(0);
});

test.runIf(hasGit)("against another commit, both sides are thinstate, and the commit's folder is gone afterwards", async () => {
  const before = [...folders(), ...worktrees()];
  const { child, ended } = bench(...short, "--json", "--against", "HEAD");
  const gateways = await until("a gateway of another folder", () => {
    const found = descendantsOf(child.pid ?? 0).filter(({ command }) => command.includes("gateway/main.ts"));
    return found.length > 0 ? found : undefined;
  });
  expect(gateways).toHaveLength(1);
  const { exitCode, stdout, stderr } = await ended;
  const result = JSON.parse(stdout) as RowResult;
  expect(result.figures[0]?.ratio?.median, stderr).toBeGreaterThan(0);
  expect(result.figures[0]?.goal).toBeUndefined();
  expect(exitCode).toBe(0);
  expect([...folders(), ...worktrees()]).toEqual(before);
});

test("Ctrl-C ends everything that it has started, and removes its folder", async () => {
  const before = folders();
  const { child, ended } = bench(...short);
  const started = await until("a load on a gateway", () => {
    const found = descendantsOf(child.pid ?? 0);
    const runs = (script: string) => found.some(({ command }) => command.includes(script));
    return runs("gateway/main.ts") && runs("bench/load/main.ts") ? found : undefined;
  });
  child.kill("SIGINT");
  expect((await ended).exitCode).toBe(130);
  expect(started.filter(({ pid }) => isAlive(pid))).toEqual([]);
  expect(folders()).toEqual(before);
});

test("a row or a commit that does not exist is refused", async () => {
  const [row, commit] = await Promise.all([bench("--only", "nothing").ended, bench(...short, "--against", "no-such-commit").ended]);
  expect(row).toMatchObject({ exitCode: 2, stdout: "" });
  expect(row.stderr).toContain('there is no row "nothing"');
  expect(commit).toMatchObject({ exitCode: 2, stdout: "" });
  expect(commit.stderr).toContain('there is no commit "no-such-commit" here');
});
