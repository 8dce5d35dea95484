// What pino writes on each line, as far as we show it.

export interface LogRecord {
  readonly level: number;
  readonly time: number;
  readonly msg?: string;
  /** The path of the handler that an error is about. */
  readonly route?: string;
  readonly err?: { readonly message?: string; readonly stack?: string };
}

/** From pino's level "error" on. */
const errorLevel = 50;

/** @returns undefined for a line that is no record. */
export function parseRecord(line: string): LogRecord | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const record = JSON.parse(line) as Partial<LogRecord>;
    return typeof record.level === "number" && typeof record.time === "number" ? (record as LogRecord) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a line is an error's record: told without parsing all of them. */
export function isErrorRecord(line: string): boolean {
  return line.startsWith('{"level":') && Number(line.slice(9, line.indexOf(","))) >= errorLevel;
}
