// npm run abuse: what anonymous strangers may try, against a live installation, and what a well-behaved client notices of it.

import type { Abuse } from "../abuse/abuse.ts";
import { runRow } from "../abuse/row.ts";
import { abuses } from "../abuse/rows/list.ts";
import { Report } from "../abuse/run-report.ts";
import { abuseSetting } from "../abuse/setting.ts";
import { parseChosen, parseCommandLine, parseValues, parseWhole } from "../process/arguments.ts";
import { Installation } from "../testbed/installation.ts";

const usage = `npm run abuse [-- options]

For each row, starts an installation of its own (free ports, a temporary folder). A victim of 20 connections echoes 50 times a
second on each; strangers, in a process of their own and from other loopback addresses, do what the row says. Exit code 1 where the
victim's p99 grows above 5 times what it was before (and above 50 ms; more on a machine that is busy already), where anything of the
victim is lost, or where a bound is passed: of memory, of the log, of how the strangers have to end.

  --only ROW         only this row; may be repeated:
${abuses.map(({ name, title }) => `                       ${name.padEnd(10)} ${title}`).join("\n")}
  --seconds N        how long each abuse lasts (10)
  --json             print one line of JSON for each row, for programs`;

interface Options {
  readonly chosen: readonly Abuse[];
  readonly seconds: number;
  readonly isJson: boolean;
}

export async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, usage, parseOptions);
  if (typeof options === "number") return options;
  const report = new Report(options.isJson);
  report.head();
  let isWell = true;
  for (const abuse of options.chosen) isWell = (await runOne(abuse, options, report)) && isWell;
  return isWell ? 0 : 1;
}

/** @returns undefined where help was asked for. @throws {UsageError} */
function parseOptions(args: readonly string[]): Options | undefined {
  const values = parseValues(args, {
    only: { type: "string", multiple: true },
    seconds: { type: "string", default: "10" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  });
  if (values.help) return undefined;
  return {
    chosen: parseChosen("row", values.only, abuses),
    seconds: parseWhole("seconds", values.seconds, 1),
    isJson: values.json,
  };
}

/** @returns whether every bound held. */
async function runOne(abuse: Abuse, { seconds }: Options, report: Report): Promise<boolean> {
  report.begin(abuse.title);
  try {
    return await Installation.use(abuseSetting(abuse), async (installation) => {
      const row = await runRow(installation, abuse, { seconds, onStep: (step) => report.update(`${abuse.title}: ${step}`) });
      report.row(row);
      return row.faults.length === 0;
    });
  } catch (error) {
    report.failed(`${abuse.title}: ${(error as Error).message}`);
    return false;
  }
}
