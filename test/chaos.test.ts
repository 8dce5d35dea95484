// The chaos run itself, shortened: most faults strike once, under a light load; then a minute of them at random.

import { expect, test } from "vitest";
import { faults } from "../chaos/faults/list.ts";
import type { Row } from "../chaos/row.ts";
import { runCommand } from "./command.ts";

/** Left out is what takes long: what waits for time-outs, and several deploys. */
const chosen = ["worker", "redelivery", "drain", "poison", "clients", "cuts", "nats", "nats-away", "only", "gateway"];

const chaos = (...args: string[]) => runCommand("chaos", ...args);

test("each fault under load: nothing is lost, doubled, reordered, and nobody is disconnected but whom the row names", async () => {
  const light = ["--times", "1", "--rate", "1000", "--connections", "30"];
  const { exitCode, stdout, stderr } = await chaos("--json", ...light, ...chosen.flatMap((name) => ["--fault", name]));
  const rows = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);
  for (const row of rows) {
    expect(row, stderr).toMatchObject({ times: 1, lost: 0, doubled: 0, reordered: 0, disconnected: 0, broken: [] });
    expect(row.messages).toBeGreaterThan(0);
    if (row.closes === null) expect(row.closed).toBe(0);
  }
  expect(rows.map(({ fault }) => fault).sort()).toEqual([...chosen].sort());
  expect(exitCode).toBe(0);
  // They have struck.
  const figures = new Map(rows.map((row) => [row.fault, row]));
  expect(rows.reduce((sum, { redelivered }) => sum + redelivered, 0)).toBeGreaterThan(0);
  expect(figures.get("poison")?.closed).toBe(1);
  expect(figures.get("gateway")?.closed).toBeGreaterThan(0);
});

test("a minute of random faults: no zero is broken, and nothing is left behind", async () => {
  const light = ["--minutes", "1", "--rate", "1000", "--connections", "30"];
  // All but those that wait for a worker's time-out, and one that takes long, and has its row above.
  const quick = faults.map(({ name }) => name).filter((name) => !["spin", "hang", "stop", "cuts"].includes(name));
  const { exitCode, stdout, stderr } = await chaos("--json", "--random", ...light, ...quick.flatMap((name) => ["--fault", name]));
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Row & { left?: string[] });
  const rows = lines.slice(0, -1);
  expect(rows.length, stderr).toBeGreaterThanOrEqual(3);
  for (const row of rows) expect(row, stdout).toMatchObject({ lost: 0, doubled: 0, reordered: 0, disconnected: 0, broken: [] });
  expect(lines.at(-1), stdout).toMatchObject({ left: [] });
  expect(exitCode).toBe(0);
});

test("--help names every fault; one that does not exist is refused", async () => {
  const [help, wrong] = await Promise.all([chaos("--help"), chaos("--fault", "nothing")]);
  for (const { name } of faults) expect(help.stdout).toContain(name);
  expect(help.exitCode).toBe(0);
  expect(wrong).toMatchObject({ exitCode: 2, stdout: "" });
  expect(wrong.stderr).toContain('there is no fault "nothing"');
});
