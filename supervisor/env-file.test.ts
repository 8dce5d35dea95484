import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readEnvFile } from "./env-file.ts";

function cloneWith(text?: string): string {
  const clone = mkdtempSync(join(tmpdir(), "thinstate-env-"));
  onTestFinished(() => rmSync(clone, { recursive: true }));
  if (text !== undefined) writeFileSync(join(clone, ".env"), text);
  return clone;
}

test("gives what the environment does not have, and names settings instead of giving them", () => {
  const clone = cloneWith('# a comment\nKEY="a b"\nTAKEN=file\nEMPTY=file\nexport LINES="1\n2"\nPORT=1\n');
  expect(readEnvFile(clone, { TAKEN: "environment", EMPTY: "" }, ["PORT", "HOST"])).toEqual({
    variables: { KEY: "a b", LINES: "1\n2" },
    ignored: ["PORT"],
  });
});

test("is nothing where there is no file, and an error where it cannot be read", () => {
  expect(readEnvFile(cloneWith(), {}, [])).toEqual({ variables: {}, ignored: [] });
  const clone = cloneWith();
  mkdirSync(join(clone, ".env"));
  expect(() => readEnvFile(clone, {}, [])).toThrow("EISDIR");
});
