// The fuzz run itself, shortened, and the same each time: npm run fuzz has another seed whenever it runs.

import { expect } from "vitest";
import type { Results } from "../fuzz/run.ts";
import { runCommand } from "./command.ts";

/** Strikes these targets: whatever arrives, every process lives, others are answered, and memory does not grow. */
export async function expectSurvival(chosen: readonly string[], seconds: number): Promise<void> {
  const only = chosen.flatMap((name) => ["--only", name]);
  const { exitCode, stdout, stderr } = await runCommand("fuzz", "--json", "--seconds", String(seconds), "--seed", "1", ...only);
  const { seed, results, grown } = JSON.parse(stdout) as Results;
  for (const { target, rounds, cases, failures } of results) {
    expect(failures, `--seed ${seed} --only ${target}`).toEqual([]);
    expect(rounds, target).toBeGreaterThan(0);
    expect(cases, target).toBeGreaterThan(0);
  }
  expect(results.map(({ target }) => target)).toEqual(chosen);
  expect(grown).toEqual([]);
  expect(exitCode, stderr).toBe(0);
}

/** Read by the library that holds the sockets, before anything of ours. */
export const fromClients: readonly string[] = ["heads", "frames"];
