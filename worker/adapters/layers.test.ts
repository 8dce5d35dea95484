// What holds for every adapter: it reads as its specification does, in layers, each a folder that can be read at a sitting; and it needs no
// more of a worker than its public modules, so that anybody can write another one.

import { readdirSync, readFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

/** Without tests, and what only these use. */
const limitLines = 600;

/** Of worker/. */
const publicModules = ["adapter.ts", "files.ts", "handler.ts", "session.ts"];

interface SourceFile {
  readonly folder: string;
  readonly name: string;
  readonly text: string;
}

/** Those of adapters, without tests and what only these use. */
function sourceFiles(): SourceFile[] {
  const files: SourceFile[] = [];
  for (const { name, parentPath: folder } of readdirSync(import.meta.dirname, { withFileTypes: true, recursive: true })) {
    if (!name.endsWith(".ts") || name.endsWith(".test.ts") || basename(folder) === "testing") continue;
    files.push({ folder, name, text: readFileSync(join(folder, name), "utf8") });
  }
  return files;
}

test(`each layer of an adapter has at most ${limitLines} lines`, () => {
  const lines = new Map<string, number>();
  for (const { folder, text } of sourceFiles()) lines.set(folder, (lines.get(folder) ?? 0) + text.split("\n").length - 1);
  const folders = [...lines].map(([folder, lines]) => ({ folder: relative(import.meta.dirname, folder), lines }));
  expect(folders).toContainEqual({ folder: "socket-io/protocol", lines: expect.any(Number) });
  expect(folders.filter(({ lines }) => lines > limitLines)).toEqual([]);
});

test(`an adapter imports ${publicModules.join(", ")} of thinstate, and other adapters`, () => {
  const outside = sourceFiles().flatMap(({ folder, text }) => {
    const imported = [...text.matchAll(/ from "(\.[^"]+)"/g)].map(([, path]) =>
      relative(import.meta.dirname, resolve(folder, path as string)),
    );
    return imported.filter((path) => path.startsWith(".."));
  });
  expect([...new Set(outside)].sort()).toEqual(publicModules.map((name) => `../${name}`));
});
