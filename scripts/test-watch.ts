// npm run test:watch: unit tests, again at each save.

import { watchUnitTests } from "./vitest.ts";

const usage = `npm run test:watch [-- arguments of vitest]

Runs the unit tests, and then, at each save, those that import what was saved. With arguments, the ones that they choose:
npm run test:watch -- gateway/dispatcher
Press h for what the keys do, q to end it.`;

export async function run(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  return watchUnitTests(args);
}
