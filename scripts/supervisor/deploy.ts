// A deploy, step by step, and a rollback, which is one that finds its release made already. Up to the activation everything
// can be undone and is; after it nothing is.

import type { GatewayHello, RouteHello } from "../../protocol/membership.ts";
import type { Config } from "../config.ts";
import type { Release, ReleaseStore } from "../releases/release.ts";
import type { Fleet } from "./fleet.ts";
import type { Members } from "./members.ts";
import { type DeployReport, handoverFigures, type StepTime } from "./report.ts";

/** Standbys that are given up have no work to finish. */
const standbyStopMs = 1_000;

/** A deploy was refused for a reason that is no bug; the release that served still does. */
export class DeployRefused extends Error {}

export interface DeployParts {
  readonly config: Config;
  readonly releases: ReleaseStore;
  readonly fleet: Fleet;
  readonly members: Members;
}

export interface DeployOptions {
  readonly onStep: (text: string) => void;
  /** Cancels until the activation, and does nothing after it. */
  readonly signal: AbortSignal;
  /** Even if a route with open connections disappears. */
  readonly force: boolean;
  /** Workers of the new release. */
  readonly size: number;
  /** How many of them must be ready before the activation. */
  readonly standbys: number;
}

/** @param check false: a release of dev mode, which a restart does not serve again. */
export async function deploy(
  parts: DeployParts,
  options: DeployOptions & { check: boolean; previous: string | null },
): Promise<DeployReport> {
  const steps = new Steps(options.onStep);
  const { releases, config } = parts;
  const release = await releases.make({
    handlersDir: config.handlersDir,
    previous: options.previous,
    check: options.check,
    signal: options.signal,
    onStep: (text) => steps.begin(text),
  });
  try {
    return await switchTo(parts, options, { release, steps, isRecorded: options.check });
  } catch (error) {
    if (parts.fleet.active?.release !== release) await releases.remove(release.id);
    throw error;
  }
}

/** Back to the release that served before the active one. */
export async function rollback(parts: DeployParts, options: DeployOptions): Promise<DeployReport> {
  const steps = new Steps(options.onStep);
  const active = parts.fleet.active;
  if (active === undefined) throw new DeployRefused("nothing is active yet, so there is nothing to go back to");
  const before = active.release.manifest.previous;
  const release = before === null ? undefined : await parts.releases.get(before);
  if (release === undefined) {
    throw new DeployRefused(before === null ? `release ${active.release.id} is the first one` : `release ${before} is not kept any more`);
  }
  return switchTo(parts, options, { release, steps, isRecorded: true });
}

interface Switch {
  readonly release: Release;
  readonly steps: Steps;
  readonly isRecorded: boolean;
}

async function switchTo(parts: DeployParts, options: DeployOptions, { release, steps, isRecorded }: Switch): Promise<DeployReport> {
  const { config, fleet, members } = parts;
  const previous = fleet.activation?.release ?? null;
  const generation = Math.max(fleet.activation?.generation ?? 0, members.heardActivation?.generation ?? 0) + 1;
  const warm = fleet.warm(release.id);
  steps.begin(warm === undefined ? `starting ${options.standbys} workers of release ${release.id}` : `release ${release.id} is still warm`);
  const crew = warm ?? fleet.standby(release, options.size, options.standbys);
  try {
    await crew.ready(config.readyTimeoutMs, options.signal);
    if (!options.force) checkRoutes(members.gateways, crew.hellos[0]?.routes ?? release.manifest.routes);
    steps.begin(`activating release ${release.id}`);
    fleet.activate(crew, generation, { isRecorded });
  } catch (error) {
    if (warm === undefined && fleet.active !== crew) await fleet.discard(crew, standbyStopMs);
    throw error;
  }
  steps.begin("handing connections over");
  await handedOver(members, generation, config.stopTimeoutMs);
  return { release: release.id, previous, generation, ...handoverFigures(members.gateways, generation), ...steps.end() };
}

/** Resolves when all connections are with the new workers, or time is up: the report tells how many are not. */
async function handedOver(members: Members, generation: number, timeoutMs: number): Promise<void> {
  const late = AbortSignal.timeout(timeoutMs);
  const isDone = ({ handover }: GatewayHello) => handover?.generation === generation && handover.remaining === 0;
  await members
    .until(() => members.gateways.every(isDone), late)
    .catch((error: unknown) => {
      if (!late.aborted) throw error;
    });
}

/** @throws {DeployRefused} where open connections would lose their route. */
function checkRoutes(gateways: readonly GatewayHello[], routes: readonly RouteHello[]): void {
  const paths = new Set(routes.map((route) => route.path));
  const lost = new Map<string, number>();
  for (const gateway of gateways) {
    for (const [path, connections] of Object.entries(gateway.routes)) {
      if (connections > 0 && !paths.has(path)) lost.set(path, (lost.get(path) ?? 0) + connections);
    }
  }
  if (lost.size === 0) return;
  const list = [...lost].map(([path, connections]) => `${path} (${connections} open)`).join(", ");
  throw new DeployRefused(`the new release does not serve ${list}; --force closes these connections`);
}

/** Times what is done, one step after the other. */
class Steps {
  private readonly onStep: (text: string) => void;
  private readonly done: StepTime[] = [];
  private readonly startedAt = performance.now();
  private current: { step: string; startedAt: number } | undefined;

  constructor(onStep: (text: string) => void) {
    this.onStep = onStep;
  }

  begin(step: string): void {
    this.finish();
    this.current = { step, startedAt: performance.now() };
    this.onStep(step);
  }

  end(): { steps: StepTime[]; totalMs: number } {
    this.finish();
    return { steps: this.done, totalMs: performance.now() - this.startedAt };
  }

  private finish(): void {
    if (this.current !== undefined) this.done.push({ step: this.current.step, ms: performance.now() - this.current.startedAt });
    this.current = undefined;
  }
}
