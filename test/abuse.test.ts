// Strangers against what the library holds of them: bodies, messages that do not end, and what is not read.

import { expect, test } from "vitest";
import { abuses } from "../abuse/rows/list.ts";
import { expectBounded } from "./abuse-run.ts";
import { runCommand } from "./command.ts";

test("strangers are bounded, and a client beside them loses nothing", () => expectBounded(["bodies", "fragments", "deaf"]));

test("--help names every row; one that does not exist is refused", async () => {
  const [help, wrong] = await Promise.all([runCommand("abuse", "--help"), runCommand("abuse", "--only", "nothing")]);
  for (const { name } of abuses) expect(help.stdout).toContain(name);
  expect(help.exitCode).toBe(0);
  expect(wrong).toMatchObject({ exitCode: 2, stdout: "" });
  expect(wrong.stderr).toContain('there is no row "nothing"');
});
