// Random input from clients.

import { expect, test } from "vitest";
import { targets } from "../fuzz/targets/list.ts";
import { runCommand } from "./command.ts";
import { expectSurvival, fromClients } from "./fuzz-run.ts";

test("whatever clients send, every process lives, others are answered, and memory does not grow", () => expectSurvival(fromClients, 20));

test("--help names every target; one that does not exist is refused", async () => {
  const [help, wrong] = await Promise.all([runCommand("fuzz", "--help"), runCommand("fuzz", "--only", "nothing")]);
  for (const { name } of targets) expect(help.stdout).toContain(name);
  expect(help.exitCode).toBe(0);
  expect(wrong).toMatchObject({ exitCode: 2, stdout: "" });
  expect(wrong.stderr).toContain('there is no target "nothing"');
});
