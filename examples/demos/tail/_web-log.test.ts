// What the demo writes for itself to watch.

import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { writeWebLog } from "./_web-log.ts";

let folder: string;
let log: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-web-log-"));
  log = join(folder, "log");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function numbersIn(path: string): number[] {
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  return [...text.matchAll(/#(\d+).*\n/g)].map(([, number]) => Number(number));
}

async function writeUntil(rate: number, isEnough: () => boolean): Promise<void> {
  const stopping = new AbortController();
  const done = writeWebLog(log, { rate: async () => rate, signal: stopping.signal }).catch((error: Error) => error.name);
  await vi.waitUntil(isEnough, { timeout: 10_000, interval: 20 });
  stopping.abort();
  expect(await done).toBe("AbortError");
}

test("lines have numbers without a gap, which the next writer goes on with", async () => {
  await writeUntil(5_000, () => numbersIn(log).length > 1_000);
  const before = numbersIn(log).length;
  await writeUntil(100, () => numbersIn(log).length > before);
  const numbers = numbersIn(log);
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
});

test("it writes through no link", async () => {
  symlinkSync(join(folder, "elsewhere"), log);
  await expect(writeWebLog(log, { rate: async () => 1, signal: new AbortController().signal })).rejects.toMatchObject({ code: "ELOOP" });
});
