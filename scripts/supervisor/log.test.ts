import { fstatSync } from "node:fs";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Log } from "./log.ts";

/** @returns what is written to stdout for these lines of a child. */
function written(journalStream: string | undefined, lines: readonly string[]): string[] {
  const stdout = new PassThrough();
  const log = new Log(stdout as unknown as NodeJS.WriteStream, new PassThrough() as unknown as NodeJS.WriteStream, journalStream);
  for (const line of lines) log.child("worker-1.1", line, "stdout");
  return String(stdout.read()).trimEnd().split("\n");
}

const lines = ['{"level":50,"time":1,"msg":"no"}', '{"level":30,"time":1,"msg":"yes"}', "of a handler"];

test("lines are handed on as they came", () => {
  expect(written(undefined, lines)).toEqual(lines);
});

test("in systemd's journal each has the priority of its level", () => {
  const { dev, ino } = fstatSync(1);
  expect(written(`${dev}:${ino}`, lines)).toEqual([`<3>${lines[0]}`, `<6>${lines[1]}`, `<6>${lines[2]}`]);
});
