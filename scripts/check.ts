// npm run check: format, lint, import rules and types.

import { parseFlags } from "../process/arguments.ts";
import { reportTally, runChecks } from "./checks.ts";

const usage = `npm run check

Checks format, lint, import rules and types. "npx biome check --write ." fixes the format and some of the lint.`;

export async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, usage, []);
  if (typeof flags === "number") return flags;
  return reportTally(await runChecks());
}
