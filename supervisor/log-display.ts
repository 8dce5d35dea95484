// Shows what the processes of an installation log: short and coloured lines on a terminal, and elsewhere the JSON lines as
// they came, for whatever collects them.

import { isJournal, priorityPrefix } from "../process/journal-priority.ts";
import { paint } from "../scripts/setup/progress.mjs";
import { visible, visibleLine } from "../scripts/setup/visible.mjs";
import { parseRecord } from "./log-record.ts";

type Level = "info" | "warn" | "error";

const levels: Record<number, readonly [text: string, colour: "dim" | "green" | "yellow" | "red"]> = {
  10: ["TRACE", "dim"],
  20: ["DEBUG", "dim"],
  30: ["INFO", "green"],
  40: ["WARN", "yellow"],
  50: ["ERROR", "red"],
  60: ["FATAL", "red"],
};
const levelNumbers: Record<Level, number> = { info: 30, warn: 40, error: 50 };
/** Said otherwise on each line, or the same on all. */
const quiet = new Set(["level", "time", "pid", "hostname", "msg", "err", "name"]);

export class Log {
  private readonly stdout: NodeJS.WriteStream;
  private readonly stderr: NodeJS.WriteStream;
  private readonly isJournal: Readonly<Record<"stdout" | "stderr", boolean>>;

  /** @param journalStream JOURNAL_STREAM of the environment. */
  constructor(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream, journalStream: string | undefined) {
    this.stdout = stdout;
    this.stderr = stderr;
    this.isJournal = { stdout: isJournal(1, journalStream), stderr: isJournal(2, journalStream) };
    // Whoever read our output may go away (`npm start | head`): the servers run on.
    for (const stream of [stdout, stderr]) stream.on("error", () => undefined);
  }

  /** A line for the person who typed the command. */
  say(text: string): void {
    this.stdout.write(`${this.stdout.isTTY ? visible(text) : text}\n`);
  }

  /** An event of the supervisor's own. */
  event(level: Level, text: string, fields: Record<string, unknown> = {}): void {
    const line = JSON.stringify({ level: levelNumbers[level], time: Date.now(), name: "supervisor", ...fields, msg: text });
    this.child("supervisor", line, "stderr");
  }

  /**
   * A line that a child wrote.
   * @param folder Where it runs. A person is told of files in it as they are called in the clone, whichever release they are of.
   */
  child(name: string, line: string, stream: "stdout" | "stderr", folder?: string): void {
    const target = this[stream];
    if (target.isTTY) target.write(`${inClone(shortLine(target, name, line), folder)}\n`);
    // In the journal a line has its priority; what is none of ours has that of its stream.
    else if (this.isJournal[stream])
      target.write(`${priorityPrefix(parseRecord(line)?.level ?? (stream === "stderr" ? 40 : 30))}${line}\n`);
    else target.write(`${line}\n`);
  }
}

function inClone(text: string, folder: string | undefined): string {
  return folder === undefined ? text : text.replaceAll(`file://${folder}/`, "").replaceAll(`${folder}/`, "");
}

function shortLine(stream: NodeJS.WriteStream, name: string, line: string): string {
  const record = parseRecord(line);
  if (record === undefined) return `${paint(stream, "dim", name)} ${visible(line)}`;
  const [level, colour] = levels[record.level] ?? ["", "dim"];
  const time = new Date(record.time).toLocaleTimeString("en-GB");
  const fields = Object.entries(record)
    .filter(([key]) => !quiet.has(key))
    .map(([key, value]) => visibleLine(`${key}=${typeof value === "string" ? value : JSON.stringify(value)}`));
  const stack = record.err?.stack === undefined ? "" : `\n${visible(String(record.err.stack))}`;
  return `${paint(stream, "dim", time)} ${paint(stream, colour, level.padEnd(5))} ${name} ${visible(String(record.msg ?? ""))} ${paint(stream, "dim", fields.join(" "))}${stack}`;
}
