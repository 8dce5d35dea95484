// What random input is made for. fast-check makes it from a seed, and looks for a smaller input that fails alike.

import fc from "fast-check";
import type { Scene } from "./scene.ts";

export interface Round {
  readonly seed: number;
  readonly limitMs: number;
  /** After each case: throws where somebody is not well. */
  readonly check: () => Promise<void>;
  /** After a case that failed. */
  readonly recover: () => Promise<void>;
}

export interface Failure {
  readonly why: string;
  /** The smallest input that was found, as fast-check writes it. */
  readonly input: string;
}

export interface Target {
  /** For --only. */
  readonly name: string;
  /** For the table. */
  readonly title: string;
  /** @returns how many cases were tried. */
  readonly run: (scene: Scene, round: Round) => Promise<{ readonly cases: number; readonly failure: Failure | undefined }>;
}

export interface TargetOptions<Case> {
  readonly name: string;
  readonly title: string;
  /** How many cases make a round. */
  readonly cases: number;
  readonly arbitrary: fc.Arbitrary<Case>;
  /** Sends it. @throws where what came back is wrong. */
  readonly strike: (scene: Scene, sample: Case) => Promise<void> | void;
  /** Nothing runs that could be unwell: only `strike` tells. */
  readonly isPure?: boolean;
}

const shownCharacters = 4_000;

export function target<Case>({ name, title, cases, arbitrary, strike, isPure = false }: TargetOptions<Case>): Target {
  return {
    name,
    title,
    run: async (scene, { seed, limitMs, check, recover }) => {
      const deadline = performance.now() + limitMs;
      let ran = 0;
      const property = fc.asyncProperty(arbitrary, async (sample) => {
        // Not by fast-check's own limit: that gives up the case that runs, and what it would have found.
        if (ran > 0 && performance.now() > deadline) return;
        ran++;
        try {
          await strike(scene, sample);
          if (!isPure) await check();
        } catch (error) {
          if (!isPure) await recover();
          throw error;
        }
      });
      const { counterexample, errorInstance } = await fc.check(property, { seed, numRuns: cases });
      if (counterexample === null) return { cases: ran, failure: undefined };
      const why = errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance);
      return { cases: ran, failure: { why, input: fc.stringify(counterexample).slice(0, shownCharacters) } };
    },
  };
}
