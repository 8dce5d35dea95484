// The last errors of a process, for a report of what became of it: what it wrote to stderr, and the errors among its log
// records, each shown once however often it was logged.

import { isErrorRecord, parseRecord } from "./log-record.ts";

const keptEntries = 20;
/** Of each error's stack, the causes' too. Below are frames of what called the handler. */
const stackLines = 4;
/** Where the next error's stack begins: see protocol/thrown.ts. */
const nextError = /\n(?=(?:caused by|one of \d+ errors): )/;

export class ErrorTail {
  /** The oldest first; an entry may have several lines. */
  readonly entries: string[] = [];

  hear(line: string, stream: "stdout" | "stderr"): void {
    if (isErrorRecord(line)) this.keep(errorText(line), true);
    else if (stream === "stderr") this.keep(line, false);
  }

  private keep(entry: string, isOnce: boolean): void {
    const known = isOnce ? this.entries.indexOf(entry) : -1;
    if (known >= 0) this.entries.splice(known, 1);
    this.entries.push(entry);
    if (this.entries.length > keptEntries) this.entries.shift();
  }
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
