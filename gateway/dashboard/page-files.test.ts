import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PageFiles } from "./page-files.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-page-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

test("a page stays as it was when the gateway started, whatever becomes of its files; one that is missing is missed when it is wanted", () => {
  const path = join(folder, "a.js");
  writeFileSync(path, "old");
  const files = new PageFiles({
    "/a.js": { type: "text/javascript", path: () => path },
    "/b.js": { type: "text/javascript", path: () => join(folder, "b.js") },
  });
  writeFileSync(path, "new");
  expect(files.at("/a.js").bytes.toString()).toBe("old");
  expect(() => files.at("/b.js")).toThrow("ENOENT");
});
