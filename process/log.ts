// The log of a gateway or worker: one JSON object a line, to stdout.

import { destination, type LogFn, type Logger, type LoggerOptions, pino } from "pino";
import { isJournal, priorityPrefix, withPriority } from "./journal-priority.ts";
import { thrownRecord } from "./thrown.ts";

/** Source: pino's api.md, "logger.levels". */
const errorLevel = 50;

export interface LogOptions {
  readonly level: string;
  /** Stands on every line. */
  readonly base: object;
  /** JOURNAL_STREAM of the environment. */
  readonly journalStream: string | undefined;
  /** Told of each line of level error and above that is written: its fields as they were given, and its text. */
  readonly onError?: ((fields: Readonly<Record<string, unknown>>, text: string) => void) | undefined;
}

export function openLog({ level, base, journalStream, onError }: LogOptions): Logger {
  const options: LoggerOptions = {
    level,
    base,
    formatters: { log: withThrown },
    serializers: { err: (record: unknown) => record },
    ...(onError && { hooks: { logMethod: telling(onError) } }),
  };
  return isJournal(1, journalStream) ? pino(options, new JournalStream()) : pino(options);
}

/** Source: pino's api.md, "hooks". */
function telling(onError: NonNullable<LogOptions["onError"]>) {
  return function (this: Logger, inputs: Parameters<LogFn>, method: LogFn, level: number): void {
    const [fields, text] = inputs;
    if (level >= errorLevel && typeof fields === "object" && fields !== null)
      onError(fields as Record<string, unknown>, String(text ?? ""));
    method.apply(this, inputs);
  };
}

/** Not a serializer of pino's, which leaves out undefined: that may be thrown, too. */
function withThrown(fields: Record<string, unknown>): Record<string, unknown> {
  return "err" in fields ? { ...fields, err: thrownRecord(fields.err) } : fields;
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
