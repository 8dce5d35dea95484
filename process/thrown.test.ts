import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { thrownMessage, thrownRecord, thrownText } from "./thrown.ts";

const hopeless = {
  [Symbol.for("nodejs.util.inspect.custom")]() {
    throw new Error("no");
  },
};

test.each([
  ["text", 'threw "text"'],
  [undefined, "threw undefined"],
  [null, "threw null"],
  [42n, "threw 42n"],
  [Symbol("s"), "threw Symbol(s)"],
  [{ status: 404, body: { a: [1] } }, "threw { status: 404, body: { a: [ 1 ] } }"],
  [Object.create(null), "threw [Object: null prototype] {}"],
  [hopeless, "threw a value of type object"],
])("a value that is no error is said as it is: %#", (value, text) => {
  expect(thrownText(value)).toBe(text);
  expect(thrownMessage(value)).toBe(text);
  expect(thrownRecord(value)).toEqual({ type: typeof value, message: text, stack: text });
});

test("of an error its stack, with causes and an AggregateError's errors below it", () => {
  const cause = new TypeError("inner", { cause: "deepest" });
  const error = new AggregateError([new Error("one"), "two"], "outer", { cause });
  const lines = thrownText(error).split("\n");
  expect(lines.filter((line) => !line.startsWith("    at "))).toEqual([
    "AggregateError: outer",
    "caused by: TypeError: inner",
    'caused by: "deepest"',
    "one of 2 errors: Error: one",
    'one of 2 errors: "two"',
  ]);
  expect(lines.filter((line) => line.includes("thrown.test.ts")).length).toBeGreaterThanOrEqual(3);
  expect(thrownMessage(error)).toBe(
    'AggregateError: outer; caused by: TypeError: inner; caused by: "deepest"; one of 2 errors: one; one of 2 errors: "two"',
  );
});

test("an error of another realm, one that is frozen, and one that is its own cause are errors as well", () => {
  expect(thrownText(runInNewContext("new RangeError('elsewhere')"))).toMatch(/^RangeError: elsewhere\n/);
  const own = Object.assign(new Error("round"), { code: "E" });
  own.cause = own;
  expect(thrownRecord(Object.freeze(own))).toMatchObject({ type: "Error", message: "round", code: "E" });
});

test("of a long message, which may quote what a client has sent, the beginning, and the stack behind it", () => {
  const error = new Error("x".repeat(200_000));
  const { message, stack } = thrownRecord(error);
  expect([message.length, message.endsWith("x…")]).toEqual([4_001, true]);
  expect(stack.length).toBeLessThan(8_000);
  expect(stack).toContain("thrown.test.ts");
  expect(thrownMessage(error)).toHaveLength(4_001);
});
