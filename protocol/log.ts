// The log of a gateway or worker: one JSON object a line, to stdout.

import { destination, type Logger, pino } from "pino";
import { isJournal, priorityPrefix, withPriority } from "./journal.ts";

export interface LogOptions {
  readonly level: string;
  /** Stands on every line. */
  readonly base: object;
  /** JOURNAL_STREAM of the environment. */
  readonly journalStream: string | undefined;
}

export function openLog({ level, base, journalStream }: LogOptions): Logger {
  return isJournal(1, journalStream) ? pino({ level, base }, new JournalStream()) : pino({ level, base });
}

/** What a process ends of, to stderr: it may have no log yet. @param journalStream JOURNAL_STREAM of the environment. */
export function sayFatal(text: string, journalStream: string | undefined): void {
  const line = `${text}\n`;
  process.stderr.write(isJournal(2, journalStream) ? withPriority(line, 60) : line);
}

/** What is written to it begins with its priority. */
class JournalStream {
  /** Asks pino for `lastLevel`. Source: pino's api.md, "pino.symbols.needsMetadataGsym". */
  readonly [pino.symbols.needsMetadataGsym] = true as const;
  lastLevel = 0;
  private readonly stdout = destination({ fd: 1, sync: true });

  write(line: string): void {
    this.stdout.write(priorityPrefix(this.lastLevel) + line);
  }
}
