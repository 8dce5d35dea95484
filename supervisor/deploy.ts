// A deploy, and a rollback, which is one that finds its release made already. A deploy watches for a while what it has
// activated, and goes back by itself where that fails.

import { CodedError } from "../protocol/errors.ts";
import { closedIn, connectionsOf } from "../protocol/handover-figures.ts";
import { type DeployReport, hasErrors } from "./deploy-report.ts";
import { type Finding, watch } from "./release-watch.ts";
import type { Release } from "./releases/release.ts";
import { isDevRelease } from "./releases/release-name.ts";
import type { RollbackSignal } from "./rollback-request.ts";
import { RolledBack, whyRolledBack } from "./rolled-back.ts";
import { type OnStep, Steps } from "./steps.ts";
import { checkConnections, type DeployParts, type DeployPool, DeployRefused, type Switched, switchOver } from "./switch-over.ts";
import { countsOf, rateOf, rateSince, type ThrowRate } from "./throw-rate.ts";

export interface ReplaceOptions {
  readonly onStep: OnStep;
  /** Cancels until the activation, and does nothing after it. */
  readonly signal: AbortSignal;
  /** Even if a route with open connections disappears. */
  readonly force: boolean;
  /** Workers of the new release. */
  readonly size: number;
}

export interface RollbackOptions extends ReplaceOptions {
  /** The release to go back to; null: the one that served before the active one. */
  readonly to: string | null;
  /** Who wants it, for people: "ada (process 12)". */
  readonly by: string;
}

export interface DeployOptions extends ReplaceOptions {
  /** false: a release of dev mode, which is not checked, not watched, and not served again by a restart. */
  readonly check: boolean;
  /** How many of the workers must be ready before the activation. */
  readonly standbys: number;
  /** The release that the record of the activation names. */
  readonly previous: string | null;
  readonly rollbackSignal: RollbackSignal;
  /** Ends the watch; what was activated stays. */
  readonly ending: AbortSignal;
}

/** What the release before has thrown until the activation. */
interface Before {
  readonly pool: DeployPool;
  readonly life: ThrowRate;
  /** Since the deploy began. */
  readonly lately: ThrowRate;
}

/**
 * @throws {ReleaseError}, {StandbyError}, {DeployRefused}, the signal's reason: the release before has served all the time.
 * @throws {RolledBack} it serves again. The new release is gone.
 */
export async function deploy(parts: DeployParts, options: DeployOptions): Promise<DeployReport> {
  const { releases, config, pools } = parts;
  const steps = new Steps(options.onStep);
  const poolBefore = pools.active;
  const countsBefore = countsOf(poolBefore?.hellos ?? []);
  const release = await releases.make({
    handlersDir: config.handlersDir,
    demosDir: config.demosDir,
    previous: options.previous,
    check: options.check,
    signal: options.signal,
    onStep: (text) => steps.begin(text),
  });
  const { check: isRecorded } = options;
  const isWatched = isRecorded && config.watchMs > 0;
  const trialMs = isWatched && poolBefore !== undefined ? config.watchMs : 0;
  const switched = await switchOver(parts, { ...options, release, steps, isRecorded, trialMs, command: "deploy-worker" }).catch(
    async (error: unknown) => {
      if (pools.active?.release !== release) await releases.remove(release.id);
      throw error;
    },
  );
  try {
    if (!isWatched) return await unwatched(switched);
    const before = poolBefore && {
      pool: poolBefore,
      life: rateOf(poolBefore.hellos),
      lately: rateSince(countsBefore, poolBefore.hellos),
    };
    return await prove(parts, options, { ...switched, steps, before });
  } finally {
    pools.cool();
  }
}

/**
 * Back to the release that served before the active one, or to another one that is kept.
 * @throws {CodedError} "release.unknown"
 * @throws {StandbyError}, {DeployRefused}, the signal's reason: nothing has changed.
 */
export async function rollback(parts: DeployParts, options: RollbackOptions): Promise<DeployReport> {
  const steps = new Steps(options.onStep);
  const active = parts.pools.active?.release;
  if (active === undefined) throw new DeployRefused("nothing is active yet, so there is nothing to go back to");
  const wanted = options.to ?? active.manifest.previous;
  if (wanted === null) throw new DeployRefused(`release ${active.id} is the first one`);
  if (wanted === active.id) throw new DeployRefused(`release ${active.id} is the one that serves`);
  const release = await keptRelease(parts, wanted, active);
  try {
    const command = "rollback-worker";
    const switched = await switchOver(parts, { ...options, standbys: options.size, release, steps, isRecorded: true, trialMs: 0, command });
    await parts.history.forget(release.id);
    const isOlder = release.manifest.createdAt < active.manifest.createdAt;
    if (isOlder && !isDevRelease(active.id)) await parts.history.add(active.id, `asked for by ${options.by}`);
    return await unwatched(switched);
  } finally {
    parts.pools.cool();
  }
}

async function unwatched({ pool, report }: Switched): Promise<DeployReport> {
  return { ...report, errors: hasErrors(report.closed) ? await errorsOf(pool) : [], watch: null };
}

/** @throws {CodedError} "release.unknown", which lists those that are kept. */
async function keptRelease({ releases, history }: DeployParts, id: string, active: Release): Promise<Release> {
  const release = isDevRelease(id) ? undefined : await releases.get(id);
  if (release !== undefined) return release;
  const others = (await releases.list()).map((kept) => kept.id).filter((kept) => kept !== active.id && !isDevRelease(kept));
  const list = others.length === 0 ? `none but ${active.id}, which serves` : others.reverse().join(", ");
  const why = history.list().find((entry) => entry.id === id)?.why;
  const fate = why === undefined ? `there is no release ${id}` : `release ${id} was rolled back (${why}) and removed`;
  throw new CodedError("release.unknown", `${fate}; kept are: ${list}`);
}

interface Candidate extends Switched {
  readonly steps: Steps;
  /** undefined: nothing served. */
  readonly before: Before | undefined;
}

/** Watches what was activated. @throws {RolledBack} where it fails. */
async function prove(parts: DeployParts, options: DeployOptions, candidate: Candidate): Promise<DeployReport> {
  const { report, steps, before } = candidate;
  const { rollbackSignal, ending } = options;
  rollbackSignal.open(Date.now() + parts.config.watchMs, before?.pool.release.id);
  try {
    const startedAt = performance.now();
    const look = () => watch(parts, { ...candidate, startedAt, rollbackWanted: rollbackSignal.signal, signal: ending });
    let finding = await look();
    while (finding.reason === "rollback" && (await isRefused(parts, options, before?.pool))) finding = await look();
    const { now, ms, forFew } = finding;
    if (finding.reason !== "well") throw await takeBack(parts, options, candidate, finding);
    const { gateways } = parts.members;
    const closed = closedIn(gateways, report.generation);
    const errors = now.thrown > 0 || hasErrors(closed) ? await errorsOf(candidate.pool) : [];
    const connectionsAfter = connectionsOf(gateways);
    const seen = { ms, now, before: before?.life ?? null, forFew };
    return { ...report, connectionsAfter, closed, errors, steps: steps.end().steps, watch: seen };
  } finally {
    rollbackSignal.close();
  }
}

/** Whether a rollback that was asked for while the release is watched would close connections; whoever asked is told so. */
async function isRefused(parts: DeployParts, { rollbackSignal, ending }: DeployOptions, pool: DeployPool | undefined): Promise<boolean> {
  if (rollbackSignal.isForced || pool === undefined) return false;
  try {
    await checkConnections(parts, pool, { command: "rollback-worker", signal: ending });
    return false;
  } catch (error) {
    if (!(error instanceof DeployRefused)) throw error;
    // Somebody may have forced it meanwhile.
    if (rollbackSignal.isForced) return false;
    rollbackSignal.refuse(error);
    return true;
  }
}

/** Has the release before serve again, and removes the one that failed. @returns what to say of it. */
async function takeBack(parts: DeployParts, options: DeployOptions, candidate: Candidate, finding: Finding): Promise<RolledBack> {
  const { pool, before } = candidate;
  const { release } = pool;
  const how = finding.reason === "rollback" ? "ended, a rollback was" : "failed,";
  candidate.steps.fail(`watching release ${release.id}: ${how} ${whyRolledBack(finding, before?.life)}`);
  const errors = await errorsOf(pool);
  const closed = closedIn(parts.members.gateways, candidate.report.generation);
  const facts = { release: release.id, reason: finding.reason, now: finding.now, before: before?.life ?? null, closed, errors };
  if (before === undefined) {
    return new RolledBack(finding, { ...facts, backTo: null, closedGoingBack: {} }, { failure: "there is no release to go back to" });
  }
  let report: DeployReport;
  try {
    report = await goBack(parts, options, before.pool);
  } catch (error) {
    options.ending.throwIfAborted();
    const failure = `release ${before.pool.release.id} could not take over: ${error instanceof Error ? error.message : error}`;
    return new RolledBack(finding, { ...facts, backTo: null, closedGoingBack: {} }, { failure });
  }
  options.rollbackSignal.close(report);
  // Not the one that a rollback, or the next start, would find.
  await parts.pools.discard(pool, parts.config.stopTimeoutMs);
  await parts.releases.remove(release.id);
  await parts.history.add(release.id, whyRolledBack(finding, before.life));
  return new RolledBack(finding, { ...facts, backTo: report.release, closedGoingBack: report.closed }, { report });
}

/** What its workers have logged last as errors, with paths as they are in the clone. */
async function errorsOf(pool: DeployPool): Promise<string[]> {
  return (await pool.lastErrors()).map((error) => error.replaceAll(`${pool.release.folder}/`, ""));
}

/** Usually one activation, since its workers are still warm. */
async function goBack(parts: DeployParts, { onStep, ending }: DeployOptions, { release, size }: DeployPool): Promise<DeployReport> {
  const steps = new Steps(onStep);
  const command = "rollback-worker";
  const switched = await switchOver(parts, {
    release,
    steps,
    size,
    standbys: size,
    isRecorded: true,
    trialMs: 0,
    force: true,
    command,
    signal: ending,
  });
  return unwatched(switched);
}
