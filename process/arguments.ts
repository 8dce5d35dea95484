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
  return parseCommandLine(args, usage, (given) => {
    const values = parseValues(given, booleans([...names, "help"]));
    return values.help === true ? undefined : flagsOf(names, values);
  });
}

/**
 * As `parseFlags`, for a command that may be given one word beside its flags.
 * @param word What `usage` calls it.
 */
export function parseFlagsAndWord<Name extends string>(
  args: readonly string[],
  usage: string,
  names: readonly Name[],
  word: string,
): { readonly flags: Flags<Name>; readonly word: string | undefined } | number {
  return parseCommandLine(args, usage, (given) => {
    const { values, positionals } = attempt(() =>
      parseArgs({ args: [...given], options: booleans([...names, "help"]), allowPositionals: true }),
    );
    if (values.help === true) return undefined;
    if (positionals.length > 1) throw new UsageError(`one ${word} at most, not ${positionals.join(" ")}`);
    return { flags: flagsOf(names, values), word: positionals[0] };
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
  return attempt(() => parseArgs({ args: [...args], options }).values);
}

/** As `parseValues`, for a command that is given words beside its options. @throws {UsageError} */
export function parseValuesAndWords<const Options extends NonNullable<ParseArgsConfig["options"]>>(
  args: readonly string[],
  options: Options,
) {
  const { values, positionals } = attempt(() => parseArgs({ args: [...args], options, allowPositionals: true }));
  return { values, words: positionals };
}

function booleans(names: readonly string[]) {
  return Object.fromEntries(names.map((name) => [name, { type: "boolean" as const }]));
}

function flagsOf<Name extends string>(names: readonly Name[], values: Readonly<Record<string, unknown>>): Flags<Name> {
  return Object.fromEntries(names.map((name) => [name, values[name] === true])) as Flags<Name>;
}

function attempt<T>(parse: () => T): T {
  try {
    return parse();
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

/**
 * @param what One of `all` is called that.
 * @param names undefined, or empty: all of them.
 * @throws {UsageError}
 */
export function parseChosen<T extends { readonly name: string }>(
  what: string,
  names: readonly string[] | undefined,
  all: readonly T[],
): readonly T[] {
  const unknown = names?.find((wanted) => !all.some(({ name }) => name === wanted));
  if (unknown !== undefined) throw new UsageError(`there is no ${what} "${unknown}"`);
  return names === undefined || names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}
