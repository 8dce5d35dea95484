// npm test: the checks, then every test, against real processes; or those that are chosen, alone. Here, or in a container with another Node.

import { join } from "node:path";
import { findNatsServer, NatsServerMissing } from "../supervisor/nats-server/binary.ts";
import { oneFailure, parseTally, reportTally, runChecks, type Tally } from "./checks.ts";
import { cacheFolder } from "./setup/cache.mjs";
import { briefly, runTests } from "./vitest.ts";

const usage = `npm test [-- [--node LIST] arguments of vitest]

Runs "npm run check" and every test. With arguments, it runs only the tests that they choose: npm test -- worker/handlers

  --node LIST   where to run: "here" (the default), or a major version of Node (24), which is fetched and runs everything in a
                container with Debian 13 (needs root, systemd-nspawn and debootstrap). Or several in turn: here,24. Unless tests are
                chosen, only the last of them then runs those that say the same with every Node (any-node in vitest.config.ts),
                and properties of pure code for longer than half a second each`;

const here = "here";

export interface TestRun {
  /** "here", or a major version of Node. */
  readonly place: string;
  /** Those of vitest.config.ts that this place runs. */
  readonly projects: readonly string[];
  /** Properties of pure code, which say the same with every Node, have half a second each here; and all of their runs elsewhere. */
  readonly isBrief: boolean;
}

/** @param isChosen Whether somebody has chosen tests: each place then runs all of these. */
export function planRuns(places: readonly string[], { isChosen }: { isChosen: boolean }): TestRun[] {
  return places.map((place, index) => {
    // Machines do not boot within a container.
    const machines = place === here ? ["systemd"] : [];
    const isBrief = !isChosen && index < places.length - 1;
    return { place, projects: ["unit", "system", ...machines, ...(isBrief ? [] : ["any-node"])], isBrief };
  });
}

export async function run(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const [places, rest] = placesOf(args);
  if (places.some((place) => place !== here && !/^\d+$/.test(place))) {
    process.stderr.write(`--node ${places.join(",")}: "${here}" and major versions of Node, separated by commas\n\n${usage}\n`);
    return 2;
  }
  const tallies: Tally[] = [];
  for (const planned of planRuns(places, { isChosen: rest.length > 0 })) {
    if (places.length > 1) process.stdout.write(`--node ${planned.place}: ${planned.projects.join(", ")}\n`);
    tallies.push(planned.place === here ? await runHere(planned, rest) : await runElsewhere(planned, rest));
  }
  const sum = (name: "passed" | "failed" | "skipped") => tallies.reduce((total, tally) => total + tally[name], 0);
  const failures = tallies.flatMap((tally) => tally.failures);
  const skips = [...new Set(tallies.flatMap((tally) => tally.skips))];
  return reportTally({ passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped"), failures, skips });
}

/** Takes --node out of the arguments: vitest has the others. */
function placesOf(args: readonly string[]): [places: readonly string[], rest: readonly string[]] {
  const at = args.findIndex((arg) => arg === "--node" || arg.startsWith("--node="));
  if (at === -1) return [[here], args];
  const [, inline] = /=(.*)/.exec(args[at] ?? "") ?? [];
  return [(inline ?? args[at + 1] ?? "").split(","), args.toSpliced(at, inline === undefined ? 2 : 1)];
}

async function runElsewhere({ place: nodeMajor, projects, isBrief }: TestRun, args: readonly string[]): Promise<Tally> {
  try {
    // Imported only now: few want it.
    const { runSuite } = await import("../test/systemd/suite.ts");
    const { exitCode, stdout } = await runSuite(nodeMajor, [...ofProjects(projects), ...args], isBrief ? briefly : {});
    const said = parseTally(stdout);
    const inIt = (name: string) => `Node ${nodeMajor}: ${name}`;
    const failures = said.failures.map(({ name, why }) => ({ name: inIt(name), why }));
    const tally = { ...said, failures, skips: said.skips.map(inIt) };
    return exitCode !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return oneFailure;
  }
}

async function runHere({ projects, isBrief }: TestRun, args: readonly string[]): Promise<Tally> {
  // Somebody works on something: the rest is not what they ask about, nor has it to be installed.
  if (args.length > 0) return runTests(args);
  try {
    // Once, before many tests want it at the same time.
    await findNatsServer({ folder: join(cacheFolder({}), "nats"), environment: process.env });
  } catch (error) {
    if (!(error instanceof NatsServerMissing)) throw error;
    process.stderr.write(`${error.message}\n`);
    return oneFailure;
  }
  const checks = await runChecks();
  const tests = await runTests(ofProjects(projects), isBrief ? briefly : {});
  const failures = [...checks.failures, ...tests.failures];
  return {
    passed: checks.passed + tests.passed,
    failed: checks.failed + tests.failed,
    skipped: tests.skipped,
    failures,
    skips: tests.skips,
  };
}

function ofProjects(projects: readonly string[]): string[] {
  return projects.map((project) => `--project=${project}`);
}
