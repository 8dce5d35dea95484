import { execFileSync } from "node:child_process";
import { fstatSync } from "node:fs";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { ErrorTail } from "./error-tail.ts";
import { Log } from "./log-display.ts";

/** @returns what is written to stdout for these lines of a child. */
function written(journalStream: string | undefined, lines: readonly string[], isTTY = false, folder?: string): string[] {
  const stdout = Object.assign(new PassThrough(), { isTTY, hasColors: () => false });
  const log = new Log(stdout as unknown as NodeJS.WriteStream, new PassThrough() as unknown as NodeJS.WriteStream, journalStream);
  for (const line of lines) log.child("worker-1.1", line, "stdout", folder);
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

test("files of a release are told of on a terminal as they are called in the clone, where an editor finds them", () => {
  const stack =
    "Error: no\\n    at f (/clone/.thinstate/releases/1/worker/handlers/a.ts:3:1)\\n    at file:///clone/.thinstate/releases/1/worker/b.mjs:2:2";
  const record = `{"level":50,"time":1,"msg":"no","err":{"stack":"${stack}"}}`;
  const folder = "/clone/.thinstate/releases/1";
  const shown = written(undefined, [record], true, folder).slice(1);
  expect(shown).toEqual(["Error: no", "    at f (worker/handlers/a.ts:3:1)", "    at worker/b.mjs:2:2"]);
  expect(written(undefined, [record], false, folder)).toEqual([record]);
});

/** What a worker logs that catches these, written as source code. */
function logged(thrown: readonly string[]): string[] {
  const code = `import { openLog } from "./process/log.ts";
const log = openLog({ level: "info", base: {}, journalStream: undefined });
for (const err of [${thrown.join(", ")}]) log.error({ err }, "rolled back");`;
  const args = ["--import", "tsx", "--input-type=module", "-e", code];
  return execFileSync(process.execPath, args, { encoding: "utf8" }).trimEnd().split("\n");
}

test("whatever a handler throws is said on a terminal, and in the last errors of a report", () => {
  const cases: [string, string[]][] = [
    ['"text"', ['threw "text"']],
    ["undefined", ["threw undefined"]],
    ["{ status: 404 }", ["threw { status: 404 }"]],
    ['new Error("outer", { cause: new Error("inner") })', ["Error: outer", "caused by: Error: inner"]],
    ['new AggregateError([new Error("one")], "several")', ["AggregateError: several", "one of 1 errors: Error: one"]],
  ];
  const records = logged(cases.map(([source]) => source));
  for (const [index, [, texts]] of cases.entries()) {
    const record = records[index] ?? "";
    const tail = new ErrorTail();
    tail.hear(record, "stdout");
    const shown = written(undefined, [record], true).join("\n");
    for (const text of texts) {
      expect(shown).toContain(`\n${text}`);
      expect(tail.entries.join("\n")).toContain(text);
    }
  }
});

test("what a client or a handler had a hand in commands no terminal, and adds no line of its own to a field", () => {
  const record = JSON.stringify({
    level: 30,
    time: 1,
    msg: "\x1b[2J",
    path: "/a\nb\x9bc",
    err: { stack: "Error: \x1b]0;x\x07\n    at f" },
  });
  const [first = "", ...rest] = written(undefined, [record, "\x1b[31mof a handler", '{"level":30,"time":1,"msg":{}}'], true);
  expect(first).toContain("\\u001b[2J path=/a\\nb\\u009bc");
  expect(rest.slice(0, 3)).toEqual(["Error: \\u001b]0;x\\u0007", "    at f", "worker-1.1 \\u001b[31mof a handler"]);
});
