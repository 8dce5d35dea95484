// What the commands' command lines have in common: flags, --help, and a clear word for what is not understood.

import { parseArgs } from "node:util";

export type Flags<Name extends string> = Readonly<Record<Name, boolean>>;

/**
 * @param usage What --help prints.
 * @returns Which flags are set; the exit code where the command has nothing more to do.
 */
export function parseFlags<Name extends string>(args: readonly string[], usage: string, names: readonly Name[]): Flags<Name> | number {
  const options = Object.fromEntries([...names, "help"].map((name) => [name, { type: "boolean" as const }]));
  try {
    const { values } = parseArgs({ args: [...args], options });
    if (values.help !== true) return Object.fromEntries(names.map((name) => [name, values[name] === true])) as Flags<Name>;
    process.stdout.write(`${usage}\n`);
    return 0;
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS")) throw error;
    process.stderr.write(`${(error as Error).message}\n\n${usage}\n`);
    return 2;
  }
}
