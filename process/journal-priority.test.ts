import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isJournal, priorityPrefix, withPriority } from "./journal-priority.ts";

test.each([
  [10, "<7>"],
  [20, "<7>"],
  [30, "<6>"],
  [40, "<4>"],
  [50, "<3>"],
  [60, "<2>"],
])("pino's level %d begins a line with %s", (level, prefix) => expect(priorityPrefix(level)).toBe(prefix));

test("each line of a text has its priority", () => {
  expect(withPriority("gateway: Error: no\n    at main\n", 60)).toBe("<2>gateway: Error: no\n<2>    at main\n");
});

test("a descriptor is the journal's where it is the one that JOURNAL_STREAM names", () => {
  const folder = mkdtempSync(join(tmpdir(), "thinstate-journal-"));
  const fd = openSync(join(folder, "stream"), "w");
  const { dev, ino } = fstatSync(fd);
  expect(isJournal(fd, `${dev}:${ino}`)).toBe(true);
  expect(isJournal(fd, `${dev}:${ino + 1}`)).toBe(false);
  expect(isJournal(fd, undefined)).toBe(false);
  closeSync(fd);
  expect(isJournal(fd, `${dev}:${ino}`)).toBe(false);
  rmSync(folder, { recursive: true });
});
