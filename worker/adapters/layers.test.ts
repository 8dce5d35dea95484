// An adapter reads as its specification does: in layers, each a folder that can be read at a sitting.

import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";

/** Without tests, and what only these use. */
const limitLines = 600;

/** Lines of code by folder, where it has files of its own. */
function linesByFolder(): Map<string, number> {
  const lines = new Map<string, number>();
  for (const file of readdirSync(import.meta.dirname, { withFileTypes: true, recursive: true })) {
    const isTests = file.name.endsWith(".test.ts") || basename(file.parentPath) === "testing";
    if (!file.isFile() || !file.name.endsWith(".ts") || isTests) continue;
    const text = readFileSync(join(file.parentPath, file.name), "utf8");
    lines.set(file.parentPath, (lines.get(file.parentPath) ?? 0) + text.split("\n").length - 1);
  }
  return lines;
}

test(`each layer of an adapter has at most ${limitLines} lines`, () => {
  const folders = [...linesByFolder()].map(([folder, lines]) => ({ folder: folder.slice(import.meta.dirname.length + 1), lines }));
  expect(folders).toContainEqual({ folder: "socket-io/protocol", lines: expect.any(Number) });
  expect(folders.filter(({ lines }) => lines > limitLines)).toEqual([]);
});
