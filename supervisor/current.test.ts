import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pointCurrent } from "./current.ts";

let folder: string;
let warnings: string[];

const log = { event: (level: string, text: string) => warnings.push(`${level} ${text}`) };

function point(id: string): void {
  pointCurrent({ id, folder: join(folder, "releases", id) }, log);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-current-"));
  warnings = [];
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("the link leads to the release that was named last, by a path that survives a move of the folder", () => {
  point("1");
  point("2");
  expect(readlinkSync(join(folder, "current"))).toBe("releases/2");
  expect(readdirSync(folder)).toEqual(["current"]);
  expect(warnings).toEqual([]);
});

test("what is in the link's place stays; a warning says what to do, and nothing is left of the attempt", () => {
  mkdirSync(join(folder, "current", "notes"), { recursive: true });
  point("2");
  expect(readdirSync(folder)).toEqual(["current"]);
  expect(readdirSync(join(folder, "current"))).toEqual(["notes"]);
  expect(warnings).toEqual([
    expect.stringMatching(/^warn .*\/current cannot be pointed to release 2, which serves: E\w+.*ln -sfn releases\/2 /),
  ]);
});
