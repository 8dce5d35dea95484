// Who watches a log gets all of it, in their own time, and is told what they have missed.

import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import { type TestConnection, testHandler } from "../../../worker/testing.ts";
import { parseAnsi, withoutAnsi } from "./public/ansi.js";

const folder = mkdtempSync(join(tmpdir(), "thinstate-tail-"));
const log = join(folder, "log");
vi.stubEnv("TAIL_FILE", log);
vi.resetModules();
const { default: tail } = await import("./tail.ts");
vi.unstubAllEnvs();

beforeEach(() => writeFileSync(log, "one\ntwo\n"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const path = "/demos/tail/log";
const withLines = (lines: readonly string[]) => ({ lines, dropped: 0, isMore: false });

test("a browser gets the end of the log, and more when it asks", async () => {
  const app = await testHandler(tail);
  const ada = await app.connect(path);
  expect(ada.take()).toEqual([{ hello: { id: ada.id, release: "1" } }, { file: log, rates: [] }, withLines(["one", "two"])]);

  appendFileSync(log, "three\n");
  expect(ada.take()).toEqual([]);
  await ada.send({ type: "more" });
  expect(ada.take()).toEqual([withLines(["three"])]);
});

test("where nothing is new, it gets more as soon as there is", async () => {
  const app = await testHandler(tail);
  const ada = await app.connect(path);
  await ada.send({ type: "more" });
  await lookAgain(app, ada, 0);
  ada.take();

  appendFileSync(log, "three\n");
  await lookAgain(app, ada, 1);
  expect(ada.take()).toEqual([withLines(["three"])]);
});

test("a browser that stands still is sent nothing, and is told what it has missed", async () => {
  const app = await testHandler(tail);
  const ada = await app.connect(path);
  ada.take();

  appendFileSync(log, "a line of the log\n".repeat(100_000));
  app.advance(3600_000);
  expect(ada.take()).toEqual([]);

  await ada.send({ type: "more" });
  const [news] = ada.take() as { lines: string[]; dropped: number }[];
  expect((news?.lines.length ?? 0) + (news?.dropped ?? 0)).toBe(100_000);
});

test("a deploy, and a worker that dies, neither lose nor repeat a line", async () => {
  const app = await testHandler(tail);
  const ada = await app.connect(path);
  ada.take();

  appendFileSync(log, "three\n");
  await app.deploy(tail);
  app.crashNext("before commit");
  await ada.send({ type: "more" });
  appendFileSync(log, "four\n");
  await ada.send({ type: "more" });

  expect(ada.take().filter((value) => !Object.hasOwn(value as object, "hello"))).toEqual([withLines(["three"]), withLines(["four"])]);
});

test("without TAIL_FILE a task writes something to watch, for as long as somebody does", async () => {
  vi.stubEnv("TMPDIR", folder);
  vi.resetModules();
  const { default: writing } = await import("./tail.ts");
  vi.unstubAllEnvs();
  const app = await testHandler(writing);
  const ada = await app.connect(path);
  await ada.send({ type: "rate", rate: 5000 });
  await vi.waitUntil(
    () => {
      app.advance(100);
      return ada.received.some((value) => (value as { lines?: string[] }).lines?.some((line) => line.includes("#1")));
    },
    { timeout: 10_000, interval: 20 },
  );
  await ada.close();
  await app.deploy(tail); // ends the task
});

test("what is no wish is refused", async () => {
  const app = await testHandler(tail);
  const ada = await app.connect(path);
  ada.take();
  await ada.send({ type: "rate", rate: 1_000_000 });
  expect(ada.take()).toEqual([{ error: "message.invalid" }]);
});

test("colours become names of classes, and whatever else a line tells a terminal is left out", () => {
  const line =
    "\u001b]0;title\u0007\u001b[1;31mred\u001b[0m \u001b[38;5;2mgreen\u001b[39m\u001b[2J\u001b[10;5H\u001bc<b>\u001b[44mon blue\u001b[0m\u0008\u009b32mC1";
  expect(parseAnsi(line)).toEqual([
    { text: "red", classes: ["bold", "red"] },
    { text: " ", classes: [] },
    { text: "green", classes: ["green"] },
    { text: "<b>", classes: [] },
    { text: "on blue", classes: ["on-blue"] },
    { text: "C1", classes: ["green"] },
  ]);
  expect(withoutAnsi(line)).toBe("red green<b>on blueC1");
});

test.each(["\u001b[31", "\u001b", "\u001b]8;;http://example.com", "\u001b[?25", "\u001bP1;2"])(
  "a line that ends in an escape has none: %j",
  (end) => {
    expect(parseAnsi(`text${end}`)).toEqual([{ text: "text", classes: [] }]);
  },
);

test("colours of which there are too many to show are passed over whole", () => {
  expect(parseAnsi("\u001b[38;2;1;31;7;1mx\u001b[0;48;5;200my\u001b[38;5mz")).toEqual([
    { text: "x", classes: ["bold"] },
    { text: "y", classes: [] },
    { text: "z", classes: [] },
  ]);
});

/** Its timer comes due, and that turn is over. */
async function lookAgain(app: Awaited<ReturnType<typeof testHandler>>, connection: TestConnection<unknown>, sends: number): Promise<void> {
  const [commits, frames] = [connection.commits.length, connection.frames.length];
  app.advance(100);
  await vi.waitUntil(() => connection.commits.length > commits && connection.frames.length >= frames + sends, {
    timeout: 10_000,
    interval: 5,
  });
}
