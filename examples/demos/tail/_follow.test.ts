// Whatever is written to a log is told or counted, in whole lines.

import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Place, readOn } from "./_follow.ts";

let folder: string;
let log: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-follow-"));
  log = join(folder, "log");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** All that there is to read, and where it ends. */
async function readAll(from: Place | undefined) {
  const all = { place: from, lines: [] as string[], dropped: 0, isMore: false };
  for (;;) {
    const { place, lines, dropped, isMore } = await readOn(log, all.place);
    const hasMoved = JSON.stringify(place) !== JSON.stringify(all.place);
    all.place = place;
    all.lines.push(...lines);
    all.dropped += dropped;
    all.isMore ||= isMore;
    if (!hasMoved) return all;
  }
}

const numbered = (from: number, count: number, rest = "") => Array.from({ length: count }, (_, index) => `${from + index}${rest}`);
const written = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");

test("there is nothing where there is no file yet, and then all of it", async () => {
  const nothing = await readOn(log, undefined);
  expect(nothing).toEqual({ place: undefined, lines: [], dropped: 0, isMore: false });
  writeFileSync(log, "a\n\nb\n");
  expect((await readOn(log, nothing.place)).lines).toEqual(["a", "", "b"]);
});

test("a line is told when it has its end", async () => {
  writeFileSync(log, "one\ntw");
  const { place, lines } = await readAll(undefined);
  expect(lines).toEqual(["one"]);
  appendFileSync(log, "o\nthree");
  expect((await readAll(place)).lines).toEqual(["two"]);
});

test("who comes to a long log begins near its end, with a whole line", async () => {
  writeFileSync(log, written(numbered(10_000, 20_000, " ü")));
  const { lines, dropped } = await readAll(undefined);
  expect(lines[0]).toMatch(/^\d{5} ü$/);
  expect([lines.at(-1), dropped]).toEqual(["29999 ü", 0]);
});

test("a piece ends with a line, and no character is torn: nothing is missing", async () => {
  writeFileSync(log, "");
  const { place } = await readOn(log, undefined);
  const lines = numbered(1, 20_000, " ☕ Zürich 🦊");
  appendFileSync(log, written(lines));
  expect(await readAll(place)).toMatchObject({ lines, dropped: 0, isMore: false });
});

test("who is more than 1 MiB behind goes on near the end, and is told how many lines that were", async () => {
  writeFileSync(log, "first\n");
  const { place } = await readOn(log, undefined);
  for (const rest of ["", " and more", " ☕".repeat(50)]) appendFileSync(log, written(numbered(100_000, 40_000, rest)));
  const { lines, dropped, isMore } = await readAll(place);
  expect([lines.length + dropped, isMore]).toEqual([120_000, false]);
  expect(dropped).toBeGreaterThan(100_000);
  expect(lines.at(-1)).toMatch(/^139999/);
});

test("of what was skipped, 16 MiB are counted", async () => {
  writeFileSync(log, "");
  const { place } = await readOn(log, undefined);
  const line = `${"x".repeat(1023)}\n`;
  for (let mebibytes = 0; mebibytes < 20; mebibytes++) appendFileSync(log, line.repeat(1024));
  const { lines, dropped, isMore } = await readAll(place);
  expect([lines.length, dropped, isMore]).toEqual([63, 16 * 1024 + 1, true]);
});

test("a line of more than 16 KiB is cut, not inside a character, and says so; the next one is whole", async () => {
  writeFileSync(log, "");
  const { place } = await readOn(log, undefined);
  for (const bytes of [20_000, 65_536, 300_000]) {
    appendFileSync(log, `ab${"☕".repeat(bytes / 3)}\nnext\n`);
  }
  const { lines, dropped } = await readAll(place);
  const cut = `ab${"☕".repeat(5460)} … (cut after 16 KiB)`;
  expect([lines, dropped]).toEqual([[cut, "next", cut, "next", cut, "next"], 0]);
});

test("a line that is too long, and has no end yet, is told once", async () => {
  writeFileSync(log, "");
  const { place } = await readOn(log, undefined);
  appendFileSync(log, "x".repeat(70_000));
  const first = await readAll(place);
  expect(first.lines).toHaveLength(1);
  appendFileSync(log, `${"x".repeat(10)}\nnext\n`);
  expect((await readAll(first.place)).lines).toEqual(["next"]);
});

test("through rotation nothing is missing: the rest of the old file, then the new one", async () => {
  writeFileSync(log, "1\n");
  const { place } = await readAll(undefined);
  appendFileSync(log, "2\n3 without an end");
  renameSync(log, `${log}.1`);
  writeFileSync(log, "4\n5\n");
  expect(await readAll(place)).toMatchObject({ lines: ["2", "3 without an end", "4", "5"], dropped: 0, isMore: false });
});

test("where the old file is gone, that is told", async () => {
  writeFileSync(log, "1\n");
  const { place } = await readAll(undefined);
  for (const line of ["2\n", "3\n"]) {
    renameSync(log, `${log}.1`);
    writeFileSync(log, line);
  }
  expect(await readAll(place)).toMatchObject({ lines: ["3"], isMore: true });
});

test("a file that was made shorter begins anew", async () => {
  writeFileSync(log, "a long line\n");
  const { place } = await readAll(undefined);
  truncateSync(log);
  appendFileSync(log, "new\n");
  expect(await readAll(place)).toMatchObject({ lines: ["new"], isMore: true });
});
