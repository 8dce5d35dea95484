import { expect, test } from "vitest";
import { UsageError } from "../process/arguments.ts";
import { parseOptions, usage } from "./options.ts";
import { rows } from "./rows/list.ts";

test("without options every row is measured three times, against the bare server, and written", () => {
  expect(parseOptions([])).toEqual({ chosen: rows, times: 3, seconds: 3, isWritten: true, against: undefined, isJson: false });
});

test("--only chooses rows, in the order of the table, and writes nothing unless told to", () => {
  const options = parseOptions(["--only", "publish", "--only", "echo"]);
  expect(options?.chosen.map(({ name }) => name)).toEqual(["echo", "publish"]);
  expect(options?.isWritten).toBe(false);
  expect(parseOptions(["--only", "echo", "--write"])?.isWritten).toBe(true);
});

test("--against writes nothing", () => {
  expect(parseOptions(["--against", "HEAD~1"])).toMatchObject({ against: "HEAD~1", isWritten: false });
});

test("--help is asked for, and names every row", () => {
  expect(parseOptions(["--help"])).toBeUndefined();
  for (const { name } of rows) expect(usage).toContain(name);
});

test.each([
  { args: ["--only", "nothing"], said: 'there is no row "nothing"' },
  { args: ["--times", "0"], said: "--times 0: a whole number, at least 1" },
  { args: ["--seconds", "1.5"], said: "--seconds 1.5: a whole number, at least 1" },
  { args: ["--against", "HEAD", "--write"], said: "--write keeps what is measured against the bare server" },
  { args: ["--fast"], said: "Unknown option '--fast'" },
  { args: ["echo"], said: "Unexpected argument 'echo'" },
])("$args is refused", ({ args, said }) => {
  expect(() => parseOptions(args)).toThrow(UsageError);
  expect(() => parseOptions(args)).toThrow(said);
});

test("no two rows have one name, and no two figures of a row", () => {
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  for (const { figures } of rows) expect(new Set(figures.map(({ name }) => name)).size).toBe(figures.length);
});
