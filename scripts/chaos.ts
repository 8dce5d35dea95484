// npm run chaos: every fault against a live installation under load, and what became of every message.

import type { Fault } from "../chaos/faults/fault.ts";
import { shapeOf } from "../chaos/faults/fault.ts";
import { faults } from "../chaos/faults/list.ts";
import { runRandom } from "../chaos/random-run.ts";
import { isClean, type RowOptions, runRow } from "../chaos/row.ts";
import { Report } from "../chaos/run-report.ts";
import { seededRandom } from "../chaos/seeded-random.ts";
import { chaosSetting } from "../chaos/setting.ts";
import { parseChosen, parseCommandLine, parseValues, parseWhole } from "../process/arguments.ts";
import { Installation, type Shape } from "../testbed/installation.ts";

const usage = `npm run chaos [-- options]

Starts an installation of its own (free ports, a temporary folder), puts a steady load on it, and applies each fault. It checks
every message: answered once and in order, with its state and its publishes complete. Beside the load, each client library
from npm is watched in the same way, over each of its transports, with 16 messages under way: a line each under every fault.
Exit code 1 if any count is not zero, except the closes that a row expects. The whole run takes about ten minutes.

  --fault NAME       only this fault; may be repeated: ${faults.map(({ name }) => name).join(", ")}
  --times N          how often to apply each fault (5)
  --rate N           messages a second (5000)
  --connections N    clients (100)
  --random           apply faults at random, then look for leaks: memory, files, timers, NATS subscriptions
    --minutes M      how long (30)
    --seed S         repeat the faults of an earlier run
  --json             print one line of JSON for each row, for programs`;

interface Options {
  readonly chosen: readonly Fault[];
  readonly times: number;
  readonly rate: number;
  readonly connections: number;
  readonly isRandom: boolean;
  readonly minutes: number;
  readonly seed: number;
  readonly isJson: boolean;
}

export async function run(args: readonly string[]): Promise<number> {
  const options = parseCommandLine(args, usage, parseOptions);
  if (typeof options === "number") return options;
  const report = new Report(options.isJson);
  return options.isRandom ? runRandom(options, report) : runFaults(options, report);
}

/** @returns undefined where help was asked for. @throws {UsageError} */
function parseOptions(args: readonly string[]): Options | undefined {
  const values = parseValues(args, {
    fault: { type: "string", multiple: true },
    times: { type: "string", default: "5" },
    rate: { type: "string", default: "5000" },
    connections: { type: "string", default: "100" },
    random: { type: "boolean", default: false },
    minutes: { type: "string", default: "30" },
    seed: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  });
  if (values.help) return undefined;
  return {
    chosen: parseChosen("fault", values.fault, faults),
    times: parseWhole("times", values.times, 1),
    rate: parseWhole("rate", values.rate, 1),
    connections: parseWhole("connections", values.connections, 1),
    isRandom: values.random,
    minutes: parseWhole("minutes", values.minutes, 0),
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : parseWhole("seed", values.seed, 0),
    isJson: values.json,
  };
}

async function runFaults(options: Options, report: Report): Promise<number> {
  const random = seededRandom(options.seed);
  report.say(`${options.rate} messages/s over ${options.connections} connections; seed ${options.seed}\n`);
  report.head();
  let isWell = true;
  for (const [shape, alike] of byShape(options.chosen)) {
    await Installation.use(chaosSetting(shape), async (installation) => {
      for (const fault of alike) isWell = (await strike(installation, fault, { ...options, random, report })) && isWell;
    });
  }
  return isWell ? 0 : 1;
}

/** @returns whether everything is zero that has to be. */
async function strike(
  installation: Installation,
  fault: Fault,
  { report, ...options }: Omit<RowOptions, "onStep"> & { report: Report },
): Promise<boolean> {
  report.begin(fault.title);
  try {
    const row = await runRow(installation, fault, { ...options, onStep: (step) => report.update(`${fault.title}: ${step}`) });
    report.row(row);
    return isClean(row);
  } catch (error) {
    // Connections did not even open.
    report.failed(`${fault.title}: ${(error as Error).message}`);
    return false;
  }
}

/** Those that can share an installation together. */
function byShape(chosen: readonly Fault[]): [Shape, Fault[]][] {
  const shapes = new Map<string, [Shape, Fault[]]>();
  for (const fault of chosen) {
    const shape = shapeOf(fault);
    const key = JSON.stringify(shape);
    const alike = shapes.get(key)?.[1] ?? [];
    alike.push(fault);
    shapes.set(key, [shape, alike]);
  }
  return [...shapes.values()];
}
