import { expect, test } from "vitest";
import { ErrorTail, lastErrors } from "./error-tail.ts";

function record(level: number, connection: string, message: string): string {
  const stack = [`Error: ${message}`, "    at a", "    at b", "    at c", "    at d"].join("\n");
  return JSON.stringify({ level, time: 1, connection, route: "/x", err: { message, stack }, msg: "onMessage was rolled back" });
}

test("keeps errors among log records and what comes on stderr, each kind once and in the order of their last time", () => {
  const tail = new ErrorTail();
  tail.hear(record(50, "c1", "one"), "stdout");
  tail.hear(record(60, "c1", "two"), "stdout");
  tail.hear(record(50, "c2", "one"), "stdout");
  tail.hear(record(30, "c1", "no error"), "stdout");
  tail.hear("printed by a handler", "stdout");
  tail.hear("thrown", "stderr");
  tail.hear("thrown", "stderr");
  const entry = (message: string) => `onMessage was rolled back (/x): Error: ${message}\n    at a\n    at b\n    at c`;
  expect(tail.entries).toEqual([entry("two"), entry("one (× 2)"), "thrown (× 2)"]);
});

test("ten identical stacks of several processes are one, and say so", () => {
  const said = ["worker: Error: no luck", "    at a", "    at b", "    at c", "    at d", ""];
  const tails = Array.from({ length: 5 }, () => new ErrorTail());
  for (const tail of tails) for (const line of [...said, ...said]) tail.hear(line, "stderr");
  expect(lastErrors(tails)).toEqual(["worker: Error: no luck (× 10)\n    at a\n    at b\n    at c"]);
  // To ask changes nothing.
  expect(lastErrors(tails)).toEqual(lastErrors(tails));
});

test("keeps only the last ones", () => {
  const tail = new ErrorTail();
  for (let line = 0; line < 100; line++) tail.hear(String(line), "stderr");
  expect(tail.entries).toHaveLength(20);
  expect(tail.entries.at(-1)).toBe("99");
});

test("what looks like a record and is none is shown as it is", () => {
  const tail = new ErrorTail();
  tail.hear('{"level":50,', "stdout");
  expect(tail.entries).toEqual(['{"level":50,']);
});
