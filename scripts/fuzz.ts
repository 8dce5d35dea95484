// npm run fuzz: random input wherever something is read, and who survives it.

import { type Result, type Results, runFuzz } from "../fuzz/run.ts";
import type { Target } from "../fuzz/target.ts";
import { targets } from "../fuzz/targets/list.ts";
import { parseChosen, parseCommandLine, parseValues, parseWhole } from "../process/arguments.ts";
import { paint, startProgress } from "./setup/progress.mjs";

const usage = `npm run fuzz [-- options]

Starts an installation of its own (free ports, a temporary folder) and sends random input to whatever reads any. After each case,
every process must be the one that it was, a victim must be answered, and no bug may be in the log; memory must not grow. Exit code
1 if something is found: it is made smaller first, and shown with its seed.

  --only TARGET      only this one; may be repeated:
${targets.map(({ name, title }) => `                       ${name.padEnd(13)} ${title}`).join("\n")}
  --seconds N        how long (60); each target has one round at least
  --seed S           begin with the seed of an earlier run, or of what it found
  --json             print one line of JSON, for programs`;

interface Options {
  readonly chosen: readonly Target[];
  readonly seconds: number;
  readonly seed: number;
  readonly isJson: boolean;
}

export async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, usage, parseOptions);
  if (typeof options === "number") return options;
  const { isJson, seed } = options;
  if (!isJson) process.stdout.write(`again with --seed ${seed}\n`);
  const progress = startProgress("an installation starts");
  const results = await runFuzz({ ...options, onRound: ({ title }, of) => progress.update(`${title}: seed ${of}`) });
  const isWell = results.grown.length === 0 && results.results.every(({ failures }) => failures.length === 0);
  if (isWell) progress.done();
  else progress.fail();
  process.stdout.write(`${isJson ? JSON.stringify(results) : text(results)}\n`);
  return isWell ? 0 : 1;
}

/** @returns undefined where help was asked for. @throws {UsageError} */
function parseOptions(args: readonly string[]): Options | undefined {
  const values = parseValues(args, {
    only: { type: "string", multiple: true },
    seconds: { type: "string", default: "60" },
    seed: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  });
  if (values.help) return undefined;
  return {
    chosen: parseChosen("target", values.only, targets),
    seconds: parseWhole("seconds", values.seconds, 1),
    // fast-check's seeds have 32 bits; rounds count up from it.
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 30) : parseWhole("seed", values.seed, 0),
    isJson: values.json,
  };
}

function text({ results, grown }: Results): string {
  return [...results.map(resultText), ...grown.map((line) => paint(process.stdout, "red", line))].join("\n");
}

function resultText({ target, title, rounds, cases, failures }: Result): string {
  const line = `${title.padEnd(84)} ${cases.toLocaleString("en").padStart(9)} cases in ${rounds} rounds`;
  const found = failures.map(
    ({ seed, why, input }) => `  again with: npm run fuzz -- --only ${target} --seed ${seed}\n  ${why}\n  input: ${input}`,
  );
  return [paint(process.stdout, failures.length === 0 ? "green" : "red", line), ...found].join("\n");
}
