// The last errors of a process, for a report of what became of it: what it wrote to stderr, and the errors among its log
// records, each shown once, with how often it came.

import { isErrorRecord, parseRecord } from "./log-record.ts";

const keptEntries = 20;
/** Of each error's stack, the causes' too. Below are frames of what called the handler. */
const stackLines = 4;
/** Where the next error's stack begins: see process/thrown.ts. */
const nextError = /\n(?=(?:caused by|one of \d+ errors): )/;

export class ErrorTail {
  /** By text, the oldest first: how often. */
  private readonly counts = new Map<string, number>();
  /** What stderr says at the moment: a line, and those that are indented below it. */
  private readonly saying: string[] = [];

  /** The oldest first; an entry may have several lines. */
  get entries(): string[] {
    return lastErrors([this]);
  }

  hear(line: string, stream: "stdout" | "stderr"): void {
    if (isErrorRecord(line)) return this.count(errorText(line), 1);
    if (stream === "stdout") return;
    const isBelow = /^\s/.test(line) && this.saying.length > 0;
    if (!isBelow) this.finish();
    if (line !== "" && this.saying.length < stackLines) this.saying.push(line);
  }

  /** Adds what another process has said. */
  add({ counts, saying }: ErrorTail): void {
    for (const [text, times] of counts) this.count(text, times);
    if (saying.length > 0) this.count(saying.join("\n"), 1);
  }

  /** Each with how often it came. */
  texts(): string[] {
    return [...this.counts].map(([text, times]) => (times === 1 ? text : text.replace(/$/m, ` (× ${times})`)));
  }

  private finish(): void {
    if (this.saying.length > 0) this.count(this.saying.splice(0).join("\n"), 1);
  }

  private count(text: string, times: number): void {
    const before = this.counts.get(text) ?? 0;
    // It is the last one now.
    this.counts.delete(text);
    this.counts.set(text, before + times);
    const [oldest] = this.counts.keys();
    if (this.counts.size > keptEntries && oldest !== undefined) this.counts.delete(oldest);
  }
}

/** Of several processes together, the oldest first: an error that all of them had is one. */
export function lastErrors(tails: readonly ErrorTail[]): string[] {
  const all = new ErrorTail();
  for (const tail of tails) all.add(tail);
  return all.texts();
}

/** An error's log record for people, without what differs from one time to the next: when, which worker, which connection. */
export function errorText(line: string): string {
  const record = parseRecord(line);
  if (record === undefined) return line;
  const { msg = "", route, err } = record;
  const place = route === undefined ? "" : ` (${route})`;
  const cause = err?.stack ?? err?.message;
  return cause === undefined ? `${msg}${place}` : `${msg}${place}: ${shortened(cause)}`;
}

function shortened(stacks: string): string {
  const shorter = stacks.split(nextError).map((stack) => stack.split("\n").slice(0, stackLines).join("\n"));
  return shorter.join("\n");
}
