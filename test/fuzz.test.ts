// A minute of random input, the same each time: npm run fuzz has another seed whenever it runs.

import { expect, test } from "vitest";
import type { Results } from "../fuzz/run.ts";
import { targets } from "../fuzz/targets/list.ts";
import { runCommand } from "./command.ts";

test("whatever arrives, every process lives, others are answered, and memory does not grow", async () => {
  const { exitCode, stdout, stderr } = await runCommand("fuzz", "--json", "--seconds", "60", "--seed", "1");
  const { seed, results, grown } = JSON.parse(stdout) as Results;
  for (const { target, rounds, cases, failures } of results) {
    expect(failures, `--seed ${seed} --only ${target}`).toEqual([]);
    expect(rounds, target).toBeGreaterThan(0);
    expect(cases, target).toBeGreaterThan(0);
  }
  expect(results.map(({ target }) => target)).toEqual(targets.map(({ name }) => name));
  expect(grown).toEqual([]);
  expect(exitCode, stderr).toBe(0);
});

test("--help names every target; one that does not exist is refused", async () => {
  const [help, wrong] = await Promise.all([runCommand("fuzz", "--help"), runCommand("fuzz", "--only", "nothing")]);
  for (const { name } of targets) expect(help.stdout).toContain(name);
  expect(help.exitCode).toBe(0);
  expect(wrong).toMatchObject({ exitCode: 2, stdout: "" });
  expect(wrong.stderr).toContain('there is no target "nothing"');
});
