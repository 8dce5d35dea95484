// Faults at random, for long, and then what was left behind. The same seed strikes in the same order.

import { Installation, type Shape } from "../testbed/installation.ts";
import type { Fault } from "./faults/fault.ts";
import { type Footprint, settledFootprintOf } from "./footprint.ts";
import { isClean, runRow } from "./row.ts";
import type { Report } from "./run-report.ts";
import { pick } from "./scene.ts";
import { seededRandom } from "./seeded-random.ts";
import { chaosSetting } from "./setting.ts";

/** One gateway that stays, so that what it holds can be compared; a nats-server that can be asked. */
const shape: Shape = { workers: 2, gateways: 1, nats: "own" };
/** These need another shape, or a machine that has time. */
const excluded = new Set(["nats", "memory", "only", "only-again", "gateway", "gateway-workers", "ticker"]);
/** Faults in one row, with the same connections. */
const strikesPerRow = 5;
/** Of the time, and rows at least: they fill caches, pools and rings, and find out how much memory faults need at most. */
const warmUp = { share: 1 / 3, rows: 2 };
/**
 * What memory may grow by after the warm-up, and still be called flat. V8 takes what it may before it collects: a gateway that went from
 * 150 to 236 MiB within seven minutes, and stayed there, had 42 MiB in use after each collection.
 */
const growthBytes = 96 * 1024 * 1024;
/** A connection of the status request that asks, and its time-outs. */
const slackFiles = 2;
const slackTimers = 4;

export interface RandomOptions {
  /** What may strike. Those among them that need another shape are left out. */
  readonly chosen: readonly Fault[];
  readonly rate: number;
  readonly connections: number;
  readonly minutes: number;
  readonly seed: number;
}

export async function runRandom(options: RandomOptions, report: Report): Promise<number> {
  // What strikes is chosen apart from how it does: that may need more numbers one time than another.
  const random = seededRandom(options.seed);
  const startedAt = performance.now();
  /** 1: its time is up. */
  const progress = () => (performance.now() - startedAt) / (options.minutes * 60_000);
  const chosen = options.chosen.filter(({ name }) => !excluded.has(name));
  if (chosen.length === 0) {
    process.stderr.write(`none of these faults fits a random run: all but ${[...excluded].join(", ")} do\n`);
    return 2;
  }
  report.say(`random faults for ${options.minutes} minutes; again with --seed ${options.seed}\n`);
  report.head();
  return Installation.use(chaosSetting(shape), async (installation) => {
    let isWell = true;
    let rows = 0;
    const strike = async () => {
      rows++;
      const fault = mixed(chosen, random);
      report.begin(fault.title);
      const row = await runRow(installation, fault, {
        ...options,
        times: strikesPerRow,
        random: seededRandom(options.seed + rows),
        onStep: (step) => report.update(`${fault.title}: ${step}`),
      });
      report.row(row);
      isWell &&= isClean(row);
    };
    while (rows < warmUp.rows || progress() < warmUp.share) await strike();
    const warm = await settledFootprintOf(installation, ({ connections, parked }) => connections + parked === 0);
    do await strike();
    while (progress() < 1);
    const last = await settledFootprintOf(installation, (footprint) => leftBehind(warm, footprint).length === 0);
    const left = leftBehind(warm, last);
    report.value({ seed: options.seed, rows, warm, last, left }, leftText(last, left));
    return isWell && left.length === 0 ? 0 : 1;
  });
}

/** A fault that is another one each time. */
function mixed(chosen: readonly Fault[], random: () => number): Fault {
  const struck = Array.from({ length: strikesPerRow }, () => pick(chosen, random));
  return {
    name: struck.map(({ name }) => name).join("+"),
    title: struck.map(({ name }) => name).join(", "),
    closes: "who sends poison, who breaks off",
    strike: (scene) => (struck[scene.time] as Fault).strike(scene),
  };
}

/** @returns what has grown, in words. */
export function leftBehind(warm: Footprint, last: Footprint): string[] {
  const left: string[] = [];
  const compare = (what: keyof Footprint, slack: number) => {
    if (last[what] > warm[what] + slack) left.push(`${what}: ${warm[what]} after the warm-up, ${last[what]} at the end`);
  };
  compare("gatewayBytes", growthBytes);
  compare("workerBytes", growthBytes);
  compare("gatewayFiles", slackFiles);
  compare("gatewayTimers", slackTimers);
  compare("supervisorFiles", slackFiles);
  compare("subscriptions", 0);
  for (const what of ["connections", "parked"] as const) if (last[what] > 0) left.push(`${what}: ${last[what]} without a client`);
  return left;
}

function leftText(last: Footprint, left: readonly string[]): string {
  const mib = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
  const held = `gateway ${mib(last.gatewayBytes)}, worker ${mib(last.workerBytes)}, ${last.gatewayFiles} files, ${last.gatewayTimers} timers, ${last.subscriptions} NATS subscriptions`;
  return left.length === 0 ? `\nnothing left behind: ${held}` : `\nleft behind:\n${left.map((line) => `  ${line}`).join("\n")}`;
}
