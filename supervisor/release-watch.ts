// The first seconds of a release after its activation: do its workers live, does their onStart go well, and do their turns throw no
// more than those of the release before did?

import { setTimeout as pause } from "node:timers/promises";
import type { WorkerHello } from "../protocol/membership.ts";
import type { Steps } from "./steps.ts";
import type { DeployParts, DeployPool } from "./switch-over.ts";
import { isWidespread, isWorse, rateOf, rateText, type ThrowRate } from "./throw-rate.ts";

/** How soon a crash is seen, and what is counted compared. */
const lookMs = 250;
/** More than it takes to find a worker that hangs, and to kill it. */
const hungMarginMs = 2_500;

export interface WatchOptions {
  readonly pool: DeployPool;
  /** What the release before has thrown. undefined: there was none, so that only workers that cannot run are of interest. */
  readonly before: { readonly life: ThrowRate; readonly lately: ThrowRate } | undefined;
  /** When the watch began, as performance.now(): a rollback that was refused does not make it longer. */
  readonly startedAt: number;
  readonly steps: Steps;
  /** Somebody wants the release before back; the reason says who. */
  readonly rollbackWanted: AbortSignal;
  /** Ends the watch and nothing else. */
  readonly signal: AbortSignal;
}

export interface Finding {
  readonly reason: "well" | "crash" | "throws" | "rollback";
  /** What happened, for a sentence: "its turns throw clearly more often than before". */
  readonly text: string;
  /** What the release has thrown since its activation. */
  readonly now: ThrowRate;
  /** It throws clearly more often than the one before, but for few addresses. */
  readonly forFew: boolean;
  readonly ms: number;
}

/**
 * Resolves at the first bad sign; else after WATCH_MS, once every worker has said that it is there: one that hangs is waited for
 * until it is killed.
 * @throws the signal's reason.
 */
export async function watch({ config, members }: DeployParts, options: WatchOptions): Promise<Finding> {
  const { pool, startedAt, steps, rollbackWanted, signal } = options;
  const either = AbortSignal.any([rollbackWanted, signal]);
  const endsAt = startedAt + config.watchMs;
  const latestEnd = endsAt + 2 * config.workerTimeoutMs + hungMarginMs;
  const step = `watching release ${pool.release.id} for ${config.watchMs / 1000} s`;
  let now: ThrowRate = { turns: 0, thrown: 0 };
  steps.begin(step);
  for (;;) {
    const heardBefore = new Set(pool.hellos);
    members.ask();
    // It ends early when somebody asks for the release before.
    await pause(lookMs, undefined, { signal: either }).catch(() => signal.throwIfAborted());
    const nowMs = performance.now();
    const isOver = nowMs >= endsAt;
    // Of all workers at one moment: one that answers later would weigh more, with the few connections that throw all the time.
    const isWhole = isHeardAnew(pool, heardBefore);
    if (isWhole) now = rateOf(pool.hellos);
    const found = badSign(options, now, isOver) ?? (isOver && (isWhole || nowMs >= latestEnd) ? well : undefined);
    if (found !== undefined) {
      const forFew = found === well && options.before !== undefined && isWorse(now, options.before);
      return { ...found, now, forFew, ms: nowMs - startedAt };
    }
    steps.update(`${step} (${now.turns === 0 ? "no messages yet" : `${rateText(now)} turns threw`})`);
  }
}

const well = { reason: "well", text: "" } as const;

function badSign(
  { pool, before, rollbackWanted }: WatchOptions,
  now: ThrowRate,
  isOver: boolean,
): Pick<Finding, "reason" | "text"> | undefined {
  if (rollbackWanted.aborted) return { reason: "rollback", text: `asked for by ${rollbackWanted.reason}` };
  const [crash] = pool.crashes;
  // Without a release to go back to, a worker that is there again is good enough.
  const isBad = before !== undefined || (isOver && pool.hellos.length < pool.size);
  if (crash !== undefined && isBad) return { reason: "crash", text: crash };
  if (before !== undefined && pool.hellos.some(({ onStart }) => onStart !== undefined && onStart.failed > 0)) {
    return { reason: "throws", text: "its onStart failed" };
  }
  if (before === undefined || !isWorse(now, before) || !isWidespread(pool.hellos, isOver)) return undefined;
  return { reason: "throws", text: "its turns throw clearly more often than before" };
}

/** Whether each worker has said hello again. */
function isHeardAnew({ hellos, size }: DeployPool, before: ReadonlySet<WorkerHello>): boolean {
  return hellos.length >= size && hellos.every((hello) => !before.has(hello));
}
