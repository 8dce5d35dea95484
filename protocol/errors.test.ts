import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CodedError, errorTable, isCodedError } from "./errors.ts";

test("docs/errors.md lists exactly the errors that exist, with their close codes and meanings, and what to do", () => {
  const page = readFileSync(new URL("../docs/errors.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| `([^`]+)` \| (\d+) \| (.+) \| (.+) \|$/gm)];
  const documented = rows.map(([, code, close, text]) => [code, { close: Number(close), text }]);
  const existing = Object.entries(errorTable);
  const byCode = (a: unknown[], b: unknown[]) => String(a[0]).localeCompare(String(b[0]));
  expect(documented.toSorted(byCode)).toEqual(existing.toSorted(byCode));
});

test("every close code may stand in a close frame that a server sends", () => {
  // RFC 6455, 7.4.1, and the IANA registry for 1012 to 1014; 7.4.2 for 4401, which is our own.
  const allowed = [1000, 1001, 1007, 1008, 1009, 1011, 1012, 1013, 4401];
  for (const { close } of Object.values(errorTable)) expect(allowed).toContain(close);
});

test("every code may stand as a close reason", () => {
  // RFC 6455, 5.5: 125 bytes, two of them the code.
  for (const code of Object.keys(errorTable)) expect(Buffer.byteLength(code)).toBeLessThanOrEqual(123);
});

test("an error's message begins with its code; close code, cause and issues come with it", () => {
  const cause = new RangeError("why");
  const issues = [{ path: "text", message: "is missing" }];
  const error = new CodedError("message.invalid", "text: is missing", { cause, issues });
  expect(error.message).toBe("message.invalid: text: is missing");
  expect([error.name, error.closeCode, error.cause, error.issues]).toEqual(["CodedError", 1007, cause, issues]);
  expect("cause" in new CodedError("turn.over", "it is")).toBe(false);
});

test("only coded errors are coded errors, by code where one is asked for", () => {
  const error = new CodedError("turn.over", "it is");
  expect(isCodedError(error)).toBe(true);
  expect(isCodedError(error, "turn.over")).toBe(true);
  expect(isCodedError(error, "turn.timeout")).toBe(false);
  expect(isCodedError(Object.assign(new Error("x"), { code: "turn.over" }))).toBe(false);
});
