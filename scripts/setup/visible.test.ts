import { expect, test } from "vitest";
import { visible, visibleLine } from "./visible.mjs";

test("what a terminal would obey is shown as text", () => {
  expect(visible("a\x1b]0;title\x07b\rc\x9b2Jd\x7f")).toBe("a\\u001b]0;title\\u0007b\\u000dc\\u009b2Jd\\u007f");
  expect(visible("right \u202etfel\u2066")).toBe("right \\u202etfel\\u2066");
});

test("text, with its lines and tabs, stays what it is", () => {
  const text = "Größe:\t5 → 7\n  日本語 👍\u200d👍";
  expect(visible(text)).toBe(text);
});

test("one line stays one line", () => {
  expect(visibleLine("a\nb\r\n")).toBe("a\\nb\\u000d\\n");
});
