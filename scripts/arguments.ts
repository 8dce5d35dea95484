// What the commands' command lines have in common: flags, --help, and a clear word for what is not understood.

import { type ParseArgsConfig, parseArgs } from "node:util";

/** A command line that is not understood. */
export class UsageError extends Error {}

export type Flags<Name extends string> = Readonly<Record<Name, boolean>>;

/**
 * @param usage What --help prints.
 * @returns Which flags are set; the exit code where the command has nothing more to do.
 */
export function parseFlags<Name extends string>(args: readonly string[], usage: string, names: readonly Name[]): Flags<Name> | number {
  const options = Object.fromEntries([...names, "help"].map((name) => [name, { type: "boolean" as const }]));
  return parseCommandLine(args, usage, (given) => {
    const values = parseValues(given, options);
    if (values.help === true) return undefined;
    return Object.fromEntries(names.map((name) => [name, values[name] === true])) as Flags<Name>;
  });
}

/**
 * @param usage What --help prints, and what follows the word about a mistake.
 * @param parse Returns undefined where help was asked for; throws UsageError.
 * @returns What it returns; the exit code where the command has nothing more to do.
 */
export function parseCommandLine<T extends object>(
  args: readonly string[],
  usage: string,
  parse: (args: readonly string[]) => T | undefined,
): T | number {
  try {
    const parsed = parse(args);
    if (parsed !== undefined) return parsed;
    process.stdout.write(`${usage}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${usage}\n`);
    return 2;
  }
}

/** @throws {UsageError} */
export function parseValues<const Options extends NonNullable<ParseArgsConfig["options"]>>(args: readonly string[], options: Options) {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS")) throw new UsageError((error as Error).message);
    throw error;
  }
}

/** @throws {UsageError} */
export function parseWhole(name: string, text: string, least: number): number {
  if (!/^[0-9]+$/.test(text) || Number(text) < least) throw new UsageError(`--${name} ${text}: a whole number, at least ${least}`);
  return Number(text);
}
