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

test("only the first 15 lines and the first 1,500 characters are told", () => {
  const fifteen = Array.from({ length: 15 }, (_, index) => `line ${index}`).join("\n");
  expect(whyOf([{ message: fifteen }], "/clone")).toBe(`Error: ${fifteen}`);
  expect(whyOf([{ message: `${fifteen}\nand more` }], "/clone")).toBe(`Error: ${fifteen} …`);
  const rest = "x".repeat(1_500 - "Error: ".length);
  expect(whyOf([{ message: rest }], "/clone")).toBe(`Error: ${rest}`);
  expect(whyOf([{ message: `${rest}x` }], "/clone")).toBe(`Error: ${rest} …`);
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
