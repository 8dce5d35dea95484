// One row of the table: a victim echoes, strangers abuse, and what became of everything.

import { setTimeout as pause } from "node:timers/promises";
import type { Installation } from "../testbed/installation.ts";
import { Child } from "../testbed/node-process.ts";
import { patienceMs, stretchedMs } from "../testbed/patience.ts";
import { type Abuse, type Endings, times } from "./abuse.ts";
import { type Bounds, faultsOf, totalHeldBytes } from "./judgement.ts";
import type { Order, Outcome } from "./order.ts";
import type { Latency } from "./victim/latency.ts";
import type { VictimOutcome } from "./victim/orders.ts";
import { Victim } from "./victim.ts";
import { type Memory, Watch } from "./watch.ts";

export interface RowOptions {
  readonly seconds: number;
  /** What is being done now. */
  readonly onStep: (text: string) => void;
}

export interface Row {
  readonly abuse: string;
  readonly title: string;
  readonly victim: { readonly before: Latency; readonly during: Latency } & VictimOutcome;
  readonly memory: { readonly before: Memory; readonly peak: Memory; readonly after: Memory };
  readonly endings: Endings;
  readonly loggedBytes: number;
  readonly bounds: Bounds;
  /** In words, every bound that was passed. */
  readonly faults: readonly string[];
}

const beforeMs = 3_000;
/** The first messages of a new installation are slower: code is compiled. */
const warmUpMs = 2_000;
/** What was freed is given back to the system after a while. */
const afterMs = 3_000;
/** On a machine that does nothing else. */
const quickMs = 50;
const logBytes = 256 * 1024;

export async function runRow(installation: Installation, abuse: Abuse, { seconds, onStep }: RowOptions): Promise<Row> {
  onStep("the victim alone");
  const victim = await Victim.open(installation.url);
  let watch: Watch | undefined;
  try {
    await pause(warmUpMs);
    await victim.lap();
    // What a quiet machine does in 50 ms takes longer beside other programs: asked before there is an abuse.
    const bounds = { latencyMs: stretchedMs(quickMs), logBytes: abuse.logBytes ?? logBytes, heldBytes: abuse.heldBytes ?? totalHeldBytes };
    watch = await Watch.start(installation);
    const loggedBefore = installation.loggedBytes;
    await pause(beforeMs);
    const before = await victim.lap();
    onStep("abuse");
    const { endings, seconds: lasted } = await strike(abuse, { abuse: abuse.name, url: installation.url, seconds });
    const during = await victim.lap();
    const gatewayCpu = watch.gatewayCpu();
    onStep("counting");
    const outcome = await victim.settle();
    await watch.end();
    await pause(afterMs);
    const loggedBytes = installation.loggedBytes - loggedBefore;
    const { before: memoryBefore, peak, mostTopics, health } = watch;
    const row = {
      abuse: abuse.name,
      title: abuse.title,
      victim: { before, during, ...outcome },
      memory: { before: memoryBefore, peak, after: watch.memory() },
      endings,
      loggedBytes,
      bounds,
    };
    const faults = [
      ...faultsOf(row),
      ...(health.failed > 0 ? [`/healthz and /status failed ${health.failed} of ${health.asked} times`] : []),
      ...watch.ended(),
      ...missing(abuse, endings),
      ...abuse.faults({ endings, seconds: lasted, topics: mostTopics, openFiles: watch.moreOpenFiles, gatewayCpu }),
      ...installation.complaints.map((line) => `in the log: ${line}`),
    ];
    return { ...row, faults };
  } finally {
    await watch?.end();
    await victim.end();
  }
}

function missing({ shows }: Abuse, endings: Endings): string[] {
  return shows === undefined || times(endings, ...shows) > 0 ? [] : [`no ${shows.join(" or ")}`];
}

async function strike({ title }: Abuse, order: Order): Promise<Outcome> {
  const strangers = new Child<Outcome>("abuse/main.ts", [JSON.stringify(order)]);
  const late = AbortSignal.timeout(order.seconds * 1000 + patienceMs);
  try {
    const outcome = strangers.hears((outcome) => outcome);
    const isLate = new Promise<never>((_, reject) => {
      late.addEventListener("abort", () => reject(new Error(`${title}: the strangers do not end`)), { once: true });
    });
    return await Promise.race([outcome, isLate]);
  } finally {
    await strangers.end();
  }
}
