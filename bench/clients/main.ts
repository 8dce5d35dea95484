// Our adapters beside the servers that their clients have had so far: both in turn, in fresh processes, under one load.
//
//   pip install crossbar
//   npx tsx bench/clients/main.ts --crossbar PROGRAM

import { parseChosen, parseCommandLine, parseValues, parseWhole } from "../../process/arguments.ts";
import { Child } from "../../testbed/node-process.ts";
import { faultsText, isFaultless } from "../load/faults.ts";
import { ratiosOf, type Spread, spreadOf } from "../ratio.ts";
import { type Ending, Running } from "../running.ts";
import type { LoadFigures, LoadJob } from "./load.ts";
import { type Comparison, comparisons, type Listening, startOurs } from "./side.ts";

const usage = `npx tsx bench/clients/main.ts [options]

Measures the adapters for Socket.IO, SockJS and WAMP (one gateway, one worker) against socket.io, sockjs and Crossbar.io, on this machine.
Both sides run in turn, in fresh processes. Exit code 1 if an answer was lost, repeated or reordered.

  --only NAMES       only these, with commas between: ${comparisons.map(({ name }) => name).join(", ")}
  --times N          how often to measure each side (3)
  --seconds S        how long each time (5)
  --crossbar PROGRAM where Crossbar.io is, after "pip install crossbar" (crossbar)`;

interface Options {
  readonly chosen: readonly Comparison[];
  readonly times: number;
  readonly seconds: number;
  readonly crossbar: string;
}

/** V8 compiles what is called often: see bench/rows/echo.ts. */
const warmUpSeconds = 3;

/** Of all cores: with less for the two that are compared, what has the more processes loses the more. */
const quietShare = 0.1;

const running = new Running();

function parseOptions(args: readonly string[]): Options | undefined {
  const values = parseValues(args, {
    only: { type: "string" },
    times: { type: "string", default: "3" },
    seconds: { type: "string", default: "5" },
    crossbar: { type: "string", default: "crossbar" },
    help: { type: "boolean", short: "h", default: false },
  });
  if (values.help) return undefined;
  return {
    chosen: parseChosen("comparison", values.only?.split(","), comparisons),
    times: parseWhole("times", values.times, 1),
    seconds: parseWhole("seconds", values.seconds, 1),
    crossbar: values.crossbar,
  };
}

/** @returns whether no answer was lost, repeated or reordered. */
async function compare(comparison: Comparison, { times, seconds, crossbar }: Options): Promise<boolean> {
  const { name, title, other, bound } = comparison;
  print(title);
  const rates: { ours: number[]; other: number[] } = { ours: [], other: [] };
  let isFine = true;
  let elsewhereShare = 0;
  const measure = async (side: "ours" | "other", starting: Promise<Listening>) => {
    const figures = await running.use(starting, ({ host, port, pids }) => load({ host, port, pids, work: name, warmUpSeconds, seconds }));
    rates[side].push(figures.rate);
    isFine &&= isFaultless(figures.faults);
    elsewhereShare = Math.max(elsewhereShare, figures.elsewhereShare);
    print(`  ${(side === "ours" ? "thinstate" : other).padEnd(14)} ${figuresText(figures)}`);
  };
  for (let time = 0; time < times; time++) {
    const other = () => measure("other", comparison.startOther(crossbar));
    const ours = () => measure("ours", startOurs());
    // In turn the first: whatever changes slowly meanwhile favours neither.
    for (const next of time % 2 === 0 ? [other, ours] : [ours, other]) await next();
  }
  const aim = bound === undefined ? "" : `; at least ${bound} is asked for`;
  print(`  ${rateText(rates.ours)} to ${rateText(rates.other)}: × ${spreadText(spreadOf(ratiosOf(rates.ours, rates.other)))}${aim}`);
  if (elsewhereShare > quietShare)
    print(`  Noise: other processes took up to ${percent(elsewhereShare)} of all cores. Run it again on a machine that does nothing else.`);
  print("");
  return isFine;
}

async function load(job: LoadJob): Promise<LoadFigures> {
  const child = new Child<LoadFigures>("bench/clients/load.ts", [JSON.stringify(job)]);
  return running.use(Promise.resolve<Ending>(child), () => child.hears((figures) => figures));
}

function figuresText({ rate, serverShare, loadShare, elsewhereShare, faults }: LoadFigures): string {
  // What an answer costs hardly changes with what else runs.
  const micros = `${((serverShare * 1e6) / rate).toFixed(1)} µs each`;
  const used = `of a core, the server took ${percent(serverShare)} (${micros}) and the load ${percent(loadShare)}`;
  return `${perSecond(rate).padStart(9)}; ${used}; others took ${percent(elsewhereShare)} of all; ${faultsText(faults) || "no faults"}`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function rateText(rates: readonly number[]): string {
  return perSecond(spreadOf(rates).median);
}

function perSecond(rate: number): string {
  return `${Math.round(rate).toLocaleString("en")}/s`;
}

function spreadText({ median, least, most }: Spread): string {
  return `${median.toFixed(2)} (${least.toFixed(2)} … ${most.toFixed(2)})`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(): Promise<number> {
  const options = parseCommandLine(process.argv.slice(2), usage, parseOptions);
  if (typeof options === "number") return options;
  return running.whole(async () => {
    let isFine = true;
    for (const comparison of options.chosen) isFine = (await compare(comparison, options)) && isFine;
    return isFine ? 0 : 1;
  });
}

process.exitCode = await main();
