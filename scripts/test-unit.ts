// npm run test:unit: the tests that need neither NATS nor any other program.

import { reportTally } from "./checks.ts";
import { runUnitTests } from "./vitest.ts";

const usage = `npm run test:unit [-- arguments of vitest]

Runs the unit tests: those that start neither nats-server nor other programs. With arguments, the ones that they choose:
npm run test:unit -- gateway/dispatcher
A property has half a second; npm test gives it all of its runs.`;

export async function run(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  return reportTally(await runUnitTests(args));
}
