// Rounds of random input, one target after the other, until the time is up. A round's seed repeats it.

import { Installation, type Setting } from "../testbed/installation.ts";
import { unlimitedClients } from "../testbed/unlimited-clients.ts";
import { Scene } from "./scene.ts";
import type { Failure, Target } from "./target.ts";
import { Vitals } from "./vitals.ts";

const setting: Setting = {
  name: "fuzz",
  shape: { workers: 2, gateways: 1, nats: "supervised" },
  handlersDir: "fuzz/handlers",
  env: unlimitedClients,
};

/** Of the time: caches and pools fill, and the code is compiled. */
const warmUpShare = 1 / 3;
/** What fails is made smaller for as long. */
const leastRoundMs = 20_000;

export interface FuzzOptions {
  readonly chosen: readonly Target[];
  readonly seconds: number;
  readonly seed: number;
  readonly onRound: (target: Target, seed: number) => void;
}

export interface Result {
  readonly target: string;
  readonly title: string;
  readonly rounds: number;
  readonly cases: number;
  /** With the seed of its round. */
  readonly failures: readonly (Failure & { readonly seed: number })[];
}

interface Sum {
  rounds: number;
  cases: number;
  readonly failures: (Failure & { readonly seed: number })[];
}

export interface Results {
  readonly seed: number;
  readonly results: readonly Result[];
  /** In words, whose memory has grown. */
  readonly grown: readonly string[];
}

export function runFuzz(options: FuzzOptions): Promise<Results> {
  return Installation.use(setting, async (installation) => {
    const [scene, vitals] = [await Scene.of(installation), await Vitals.of(installation)];
    try {
      return await fuzz(options, scene, vitals);
    } finally {
      vitals.close();
      await scene.close();
    }
  });
}

/** Each target has one round at least, and a round that fails is its target's last. */
async function fuzz({ chosen, seconds, seed, onRound }: FuzzOptions, scene: Scene, vitals: Vitals): Promise<Results> {
  const sums = new Map<Target, Sum>(chosen.map((target) => [target, { rounds: 0, cases: 0, failures: [] }]));
  const startedAt = performance.now();
  const leftMs = () => startedAt + seconds * 1000 - performance.now();
  let isWarm = false;
  for (let round = 0; round === 0 || leftMs() > 0; round++) {
    if (!isWarm && round > 0 && leftMs() < seconds * 1000 * (1 - warmUpShare)) {
      isWarm = true;
      vitals.remember();
    }
    for (const [target, sum] of sums) {
      if ((round > 0 && leftMs() <= 0) || sum.failures.length > 0) continue;
      onRound(target, seed + round);
      const limitMs = Math.max(leftMs(), leastRoundMs);
      const recover = async () => {
        await vitals.recover();
        await scene.meet();
      };
      const { cases, failure } = await target.run(scene, { seed: seed + round, limitMs, check: () => vitals.check(), recover });
      sum.rounds++;
      sum.cases += cases;
      const unwell = failure ?? (await unwellness(vitals));
      if (unwell !== undefined) sum.failures.push({ ...unwell, seed: seed + round });
    }
    if ([...sums.values()].every(({ failures }) => failures.length > 0)) break;
  }
  const results = [...sums].map(([{ name, title }, sum]) => ({ target: name, title, ...sum }));
  return { seed, results, grown: vitals.grown() };
}

async function unwellness(vitals: Vitals): Promise<Failure | undefined> {
  try {
    await vitals.checkAll();
    return undefined;
  } catch (error) {
    return { why: (error as Error).message, input: "some case of the round" };
  }
}
