import { expect, test } from "vitest";
import { type Failure, failureLines, parseFailures, whyOf } from "./failures.ts";

const assertion = { name: "AssertionError", message: "expected [ 'a' ] to deeply equal []" };

test("a failure is told by its place, its message and the difference, without colours and blank lines", () => {
  const stacks = [
    { file: "/clone/test/a.test.ts", line: 31 },
    { file: "/clone/test/b.ts", line: 2 },
  ];
  const diff = '\u001b[32m- Expected\u001b[39m\n\u001b[31m+ Received\u001b[39m\n\n- []\n+ [\n+   \u001b[31m"a"\u001b[39m,\n+ ]';
  expect(whyOf([{ ...assertion, diff, stacks }], "/clone").split("\n")).toEqual([
    "at test/a.test.ts:31",
    "AssertionError: expected [ 'a' ] to deeply equal []",
    "- Expected",
    "+ Received",
    "- []",
    "+ [",
    '+   "a",',
    "+ ]",
  ]);
});

test("several errors of a test follow each other; none is told as nothing", () => {
  expect(whyOf([assertion, { message: "later" }], "/clone")).toBe("AssertionError: expected [ 'a' ] to deeply equal []\nError: later");
  expect(whyOf([], "/clone")).toBe("");
});

test("of a long message both ends are told: a test gives what a process has said, and vitest adds what was expected", () => {
  const said = Array.from({ length: 30 }, (_, index) => `line ${index}`).join("\n");
  const diff = "- []\n+ ['a']";
  expect(whyOf([{ message: `${said}\n: expected [ 'a' ] to deeply equal []`, diff }], "/clone").split("\n")).toEqual([
    "Error: line 0",
    "line 1",
    "line 2",
    "…",
    "line 28",
    "line 29",
    ": expected [ 'a' ] to deeply equal []",
    "- []",
    "+ ['a']",
  ]);
  const row = `{"abuse":"flood",${"x".repeat(5_000)}}`;
  const why = whyOf([{ message: `${row}: expected [ 'a' ] to deeply equal []`, diff }], "/clone");
  expect(why).toMatch(/^Error: \{"abuse":"flood",x+ … x+\}: expected \[ 'a' \] to deeply equal \[\]\n- \[\]\n\+ \['a'\]$/);
  expect(why.length).toBeLessThan(750);
});

test("only the first 15 lines and the first 1,500 characters are told", () => {
  const fourteen = Array.from({ length: 14 }, (_, index) => `+ ${index}`).join("\n");
  expect(whyOf([{ message: "a", diff: fourteen }], "/clone")).toBe(`Error: a\n${fourteen}`);
  expect(whyOf([{ message: "a", diff: `${fourteen}\n+ more` }], "/clone")).toBe(`Error: a\n${fourteen} …`);
  const rest = "x".repeat(1_500 - "Error: a\n".length);
  expect(whyOf([{ message: "a", diff: rest }], "/clone")).toBe(`Error: a\n${rest}`);
  expect(whyOf([{ message: "a", diff: `${rest}x` }], "/clone")).toBe(`Error: a\n${rest} …`);
});

test("what is told is read again, whatever stands around it", () => {
  const failures: Failure[] = [
    { name: "a.test.ts > b", why: "expected 1 to be 2\n  failed: within" },
    { name: "check: types", why: "" },
    { name: "c.test.ts > d", why: "Error: e" },
  ];
  const said = ["failed earlier", ...failureLines(failures), "1 passed, 3 failed"].join("\n");
  expect(said).toBe(`failed earlier
failed: a.test.ts > b
    expected 1 to be 2
      failed: within
failed: check: types
failed: c.test.ts > d
    Error: e
1 passed, 3 failed`);
  expect(parseFailures(said)).toEqual(failures);
});

test("of many failures all are named, and the first ten explained: they have to fit into the end of a log", () => {
  const failures = Array.from({ length: 100 }, (_, index) => ({ name: `test ${index}`, why: "x".repeat(1_500) }));
  const lines = failureLines(failures);
  expect(lines.filter((line) => line.startsWith("failed: "))).toHaveLength(100);
  expect(lines.filter((line) => line.startsWith("    "))).toHaveLength(10);
});

test("of many failures, each file's first is explained before others of a file that fails throughout", () => {
  const failure = (name: string): Failure => ({ name, why: `why ${name}` });
  const failures = [...Array.from({ length: 12 }, (_, index) => failure(`a.test.ts > ${index}`)), failure("b.test.ts > 0")];
  const lines = failureLines(failures);
  expect(lines).toContain("    why b.test.ts > 0");
  expect(lines).toContain("    why a.test.ts > 8");
  expect(lines).not.toContain("    why a.test.ts > 9");
});
