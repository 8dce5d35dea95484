// The work goes from one release to another: standbys are started (or are warm already), activated, and connections handed
// over. Up to the activation everything can be undone and is; after it nothing is.

import { handoverFigures } from "../protocol/handover-figures.ts";
import type { Activation, GatewayHello, RouteHello, WorkerHello } from "../protocol/membership.ts";
import type { Config } from "./config.ts";
import type { SwitchReport } from "./deploy-report.ts";
import type { Members } from "./members.ts";
import type { Release, ReleaseStore } from "./releases/release.ts";
import type { RollbackHistory } from "./rollback-history.ts";
import { reasonInStates } from "./state-check.ts";
import type { Steps } from "./steps.ts";

/** Standbys that are given up have no work to finish. */
const standbyStopMs = 1_000;

/** A deploy was refused for a reason that is no bug; the release that served still does. */
export class DeployRefused extends Error {}

/** The workers of one release, as a deploy sees them; whoever starts processes implements it. */
export interface DeployPool {
  readonly release: Release;
  /** How many workers it should have. */
  readonly size: number;
  /** What its workers have said last; those that have ended are not among them. */
  readonly hellos: readonly WorkerHello[];
  /** Ends of its workers that nobody asked for, since its activation: "worker-1 was ended by SIGKILL". */
  readonly crashes: readonly string[];
  /**
   * Resolves when all that were started have said hello.
   * @throws {StandbyError} when one has ended, or time is up.
   * @throws the signal's reason.
   */
  ready(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** The last errors that its workers have logged until now, the oldest first; one may have several lines. */
  lastErrors(): Promise<readonly string[]>;
}

export interface ActivateOptions {
  /** Whether a restart shall serve it again. */
  readonly isRecorded: boolean;
  /** For how long it is watched, and taken back where one of its workers dies; 0: not at all. */
  readonly trialMs: number;
}

export function activationOf({ release }: Pick<DeployPool, "release">, generation: number, trialMs: number): Activation {
  return { release: release.id, generation, ...(trialMs > 0 && { trialMs }) };
}

/** All pools, and which one is active. */
export interface DeployPools {
  readonly active: DeployPool | undefined;
  readonly activation: Activation | undefined;
  /** The pool of a release that was replaced and is still there. */
  warm(releaseId: string): DeployPool | undefined;
  /** Such a pool is about to be activated: until `cool` it does not end. */
  keepWarm(pool: DeployPool): void | Promise<void>;
  /** Starts workers that get no work yet: so many of them, the rest with their activation. */
  standby(release: Release, size: number, standbys: number): DeployPool;
  /**
   * Gives all work to a pool, once it is on the disk that it has it; the pool before is warm from then on. From here on there
   * is no way back but another activation.
   */
  activate(pool: DeployPool, generation: number, options: ActivateOptions): void | Promise<void>;
  /** Nobody will ask for what was replaced any more: it ends after WARM_MS from now. */
  cool(): void;
  /** Ends a pool that is not active. */
  discard(pool: DeployPool, timeoutMs: number): Promise<void>;
}

export interface DeployParts {
  readonly config: Pick<Config, "handlersDir" | "demosDir" | "readyTimeoutMs" | "stopTimeoutMs" | "watchMs" | "workerTimeoutMs">;
  readonly releases: ReleaseStore;
  readonly history: RollbackHistory;
  readonly pools: DeployPools;
  readonly members: Members;
}

export interface SwitchOptions extends ActivateOptions {
  readonly release: Release;
  readonly steps: Steps;
  /** Even if a route with open connections disappears. */
  readonly force: boolean;
  /** What somebody has typed, and may type again. */
  readonly command: "deploy-worker" | "rollback-worker";
  /** Workers of the release. */
  readonly size: number;
  /** How many of them must be ready before the activation. */
  readonly standbys: number;
  /** Cancels until the activation, and does nothing after it. */
  readonly signal: AbortSignal;
}

export interface Switched {
  readonly pool: DeployPool;
  readonly report: SwitchReport;
}

/** @throws {DeployRefused}, {StandbyError}, the signal's reason; nothing has changed then. */
export async function switchOver(parts: DeployParts, options: SwitchOptions): Promise<Switched> {
  const { config, pools, members } = parts;
  const { release, steps } = options;
  const previous = pools.activation?.release ?? null;
  const generation = Math.max(pools.activation?.generation ?? 0, members.heardActivation?.generation ?? 0) + 1;
  const warm = pools.warm(release.id);
  if (warm !== undefined) await pools.keepWarm(warm);
  steps.begin(warm === undefined ? `starting ${options.standbys} workers of release ${release.id}` : `release ${release.id} is still warm`);
  const pool = warm ?? pools.standby(release, options.size, options.standbys);
  try {
    await pool.ready(config.readyTimeoutMs, options.signal);
    if (!options.force) {
      steps.begin("trying the states of open connections");
      await checkConnections(parts, pool, options);
    }
    steps.begin(`activating release ${release.id}`);
    await pools.activate(pool, generation, options);
  } catch (error) {
    if (warm === undefined && pools.active !== pool) await pools.discard(pool, standbyStopMs);
    throw error;
  }
  steps.begin("handing connections over");
  await started(members, pool, config.readyTimeoutMs);
  await handedOver(members, generation, config.stopTimeoutMs);
  const report = { release: release.id, previous, generation, ...handoverFigures(members.gateways, generation), ...steps.end() };
  return { pool, report };
}

/** @throws {DeployRefused} where open connections would be closed. @throws the signal's reason. */
export async function checkConnections(
  { config, members }: DeployParts,
  pool: DeployPool,
  { command, signal }: Pick<SwitchOptions, "command" | "signal">,
): Promise<void> {
  checkRoutes(members.gateways, pool.hellos[0]?.routes ?? pool.release.manifest.routes, command);
  const reason = await reasonInStates(members, pool, { command, signal, timeoutMs: config.readyTimeoutMs });
  if (reason !== undefined) throw new DeployRefused(reason);
}

/** Resolves when the workers' onStart is done, one of them has ended, or time is up: the watch tells. */
async function started(members: Members, pool: DeployPool, timeoutMs: number): Promise<void> {
  const isDone = ({ onStart }: WorkerHello) => onStart === undefined || onStart.phase === "on";
  await members.within(timeoutMs, () => pool.crashes.length > 0 || pool.hellos.every(isDone));
}

/**
 * Resolves when the new workers have all connections, and have closed those that they cannot go on with; or time is up: the report
 * tells how many are still with the old ones.
 */
async function handedOver(members: Members, generation: number, timeoutMs: number): Promise<void> {
  const isDone = ({ handover }: GatewayHello) =>
    handover?.generation === generation && handover.remaining === 0 && handover.adopted !== false;
  await members.within(timeoutMs, () => members.gateways.every(isDone));
}

/** @throws {DeployRefused} where open connections would lose their route. */
function checkRoutes(gateways: readonly GatewayHello[], routes: readonly RouteHello[], command: SwitchOptions["command"]): void {
  const paths = new Set(routes.map((route) => route.path));
  const lost = new Map<string, number>();
  for (const gateway of gateways) {
    for (const [path, connections] of Object.entries(gateway.routes)) {
      // Empty: none has served them yet.
      if (connections > 0 && path !== "" && !paths.has(path)) lost.set(path, (lost.get(path) ?? 0) + connections);
    }
  }
  if (lost.size === 0) return;
  const list = [...lost].map(([path, connections]) => `${path} (${connections} open)`).join(", ");
  throw new DeployRefused(`the new release does not serve ${list}; npm run ${command} -- --force closes these connections`);
}
