// One installation: starts nats-server, gateways and workers, keeps them running, replaces the workers, and ends all of
// them in order.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { joinIdentityFiles } from "../process/identity-file.ts";
import { longestWaitMs } from "../process/settings.ts";
import type { DeployProgress } from "../protocol/deploy-progress.ts";
import { configExitCode } from "../protocol/errors.ts";
import { ActivationRecord } from "./activation-record.ts";
import { type Child, type Exit, exitText } from "./child.ts";
import type { Config } from "./config.ts";
import { Cancelled } from "./control.ts";
import type { DebugPort } from "./debug-port.ts";
import { deploy, type RollbackOptions, rollback } from "./deploy.ts";
import type { DeployReport } from "./deploy-report.ts";
import { type Deployable, type DeployableOptions, StillStarting } from "./deployable.ts";
import { Gateways } from "./gateways.ts";
import { killHung } from "./hung-text.ts";
import { type Address, chooseAddress, dashboardUrl, StartRefused, webSocketUrl } from "./listen-address.ts";
import type { Log } from "./log-display.ts";
import { NatsAccess } from "./nats-access.ts";
import { Membership } from "./presence.ts";
import { Processes } from "./processes.ts";
import { untilReady } from "./readiness.ts";
import { Reaper } from "./reaper.ts";
import { ReleaseRetention } from "./release-retention.ts";
import { openReleases, type ReleaseStore } from "./releases/release.ts";
import { workerRole } from "./releases/worker-role.ts";
import { RollbackHistory } from "./rollback-history.ts";
import { type Status, statusOf, type UnderWay } from "./status.ts";
import type { DeployParts } from "./switch-over.ts";
import { WorkerPool } from "./worker-pool.ts";
import { WorkerPools } from "./worker-pools.ts";

/** What starts where neither the config nor a deploy says how many. */
const usualWorkers = 2;
/** What is left of the time to stop for those that come late in the order. */
const leastStopMs = 500;

export interface SupervisorOptions {
  readonly config: Config;
  /** What a nats-server of ours has to let through. */
  readonly payloadBytes: number;
  readonly env: NodeJS.ProcessEnv;
  /** What handlers are told besides. */
  readonly handlerEnv: NodeJS.ProcessEnv;
  readonly log: Log;
  /** The working tree serves, unchecked; nothing of it is kept. */
  readonly isDev: boolean;
  /** How long gateways of a killed supervisor may take to leave the port. */
  readonly portPatienceMs: number;
  /** Workers can be debugged: each runs in the clone itself. */
  readonly debugPort: DebugPort | undefined;
}

/** What exists once the start has come that far. */
interface Running {
  readonly nats: NatsAccess;
  readonly address: Address;
  readonly membership: Membership;
  readonly gateways: Gateways;
  readonly pools: WorkerPools;
}

export class Supervisor implements Deployable {
  readonly startedAt = Date.now();
  private readonly options: SupervisorOptions;
  private readonly config: Config;
  private readonly log: Log;
  readonly releases: ReleaseStore;
  private readonly retention: ReleaseRetention;
  private readonly record: ActivationRecord;
  private readonly history: RollbackHistory;
  private readonly reaper = new Reaper();
  private readonly processes: Processes;
  private readonly ending = new AbortController();
  private nats: NatsAccess | undefined;
  private running: Running | undefined;
  /** The start is over: gateways are there, and serve unless no workers are wanted. */
  private isReady = false;

  constructor(options: SupervisorOptions) {
    const { config, env, handlerEnv, log, isDev, debugPort } = options;
    this.options = options;
    this.config = config;
    this.log = log;
    const { clone, cacheFolder, sharedDir, checkTimeoutMs } = config;
    this.releases = openReleases({ clone, folder: join(cacheFolder, "releases"), sharedDir, handlerEnv, checkLimitMs: checkTimeoutMs });
    this.retention = new ReleaseRetention({ config, releases: this.releases, log, isDev });
    this.record = new ActivationRecord(join(cacheFolder, "activation.json"), log);
    this.history = new RollbackHistory(join(cacheFolder, "rollbacks.json"), log);
    this.processes = new Processes({ config, env, handlerEnv, reaper: this.reaper, log, debugPort });
  }

  /** Aborts with Cancelled when this installation begins to end. */
  get endSignal(): AbortSignal {
    return this.ending.signal;
  }

  /** Where clients connect; undefined while that is not decided. */
  get url(): string | undefined {
    return this.running && webSocketUrl(this.config.host, this.running.address.port, this.config.hasTls);
  }

  /** Where the demos begin; undefined where the release that serves has none. */
  get demosUrl(): string | undefined {
    const hasDemos = this.config.demosDir !== undefined && this.running?.pools.active?.release.manifest.demosDir !== undefined;
    return hasDemos ? this.url?.replace(/^ws(s?):\/\/([^/]+).*$/, "http$1://$2/") : undefined;
  }

  /** The first gateway's; undefined while that is not decided. */
  get dashboardUrl(): string | undefined {
    return this.running && dashboardUrl(this.config.adminHost, this.running.address);
  }

  /** Resolves when a message could be answered; without workers, when gateways accept and park. */
  async start(): Promise<void> {
    for (const folder of [this.config.cacheFolder, this.config.sharedDir, this.processes.identities])
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    joinIdentityFiles(this.processes.identities, this.config.gateways);
    const recorded = this.record.read();
    const [address, nats] = await Promise.all([chooseAddress(this.config, this.options.portPatienceMs), this.startNats()]);
    this.ending.signal.throwIfAborted();
    const running = this.run(address, nats, await this.join(nats));
    this.running = running;
    const first = await this.retention.first(recorded, this.ending.signal);
    if (first !== undefined) {
      const pool = running.pools.standby(first.release, this.config.workers);
      running.pools.activate(pool, first.generation, { isRecorded: !this.options.isDev, trialMs: 0 });
    }
    const { members } = running.membership;
    await untilReady({ ...running, members }, { log: this.log, lateMs: this.config.readyTimeoutMs, signal: this.ending.signal });
    this.isReady = true;
    void this.retention.tidy(first?.release);
  }

  /** Deploys the working tree; in dev mode as it is, unchecked. */
  async deploy(options: DeployableOptions): Promise<DeployReport> {
    const { pools } = this.started();
    const previous = this.record.read()?.release ?? null;
    const size = pools.active?.size ?? (this.config.workers || options.workers || usualWorkers);
    // In dev mode the first worker shows what was saved; starting all of them at once would delay it.
    const standbys = options.check ? size : 1;
    const report = await deploy(this.parts(), {
      ...options,
      size,
      standbys,
      previous,
      signal: AbortSignal.any([options.signal, this.ending.signal]),
      ending: this.ending.signal,
    });
    if (!options.check) pools.drainReplaced();
    await this.prune(pools);
    return report;
  }

  async rollback(options: Omit<RollbackOptions, "size">): Promise<DeployReport> {
    const { pools } = this.started();
    const signal = AbortSignal.any([options.signal, this.ending.signal]);
    const report = await rollback(this.parts(), { ...options, size: pools.active?.size ?? usualWorkers, signal });
    await this.prune(pools);
    return report;
  }

  tellDeploy(progress: DeployProgress): void {
    this.running?.membership.tellDeploy(progress);
  }

  async status(underWay: UnderWay): Promise<Status> {
    const { membership, pools, gateways, nats } = this.started();
    return statusOf({
      url: this.url ?? "",
      pid: process.pid,
      startedAt: this.startedAt,
      ready: gateways.areServing,
      nats: { url: nats.url, pid: nats.pid },
      ...underWay,
      members: membership.members,
      pools,
      releases: await this.releases.list(),
      rolledBack: this.history.list(),
      nowMs: Date.now(),
    });
  }

  /** Gateways first, so that workers run every onClose; then workers; nats-server when nobody speaks over it any more. */
  async stop(): Promise<void> {
    this.ending.abort(new Cancelled("thinstate ends"));
    // A worker that a debugger has stopped could not end.
    this.options.debugPort?.close();
    const deadline = Date.now() + this.config.stopTimeoutMs;
    const left = () => Math.max(leastStopMs, deadline - Date.now());
    await this.running?.gateways.stop(left());
    await this.running?.pools.stop(left());
    await this.running?.membership.leave();
    await this.nats?.stop();
    this.reaper.close();
  }

  /** Ends everything at once. */
  async kill(): Promise<void> {
    this.ending.abort(new Cancelled("thinstate is ended"));
    this.options.debugPort?.close();
    await Promise.all([this.running?.pools.kill(), this.running?.gateways.kill()]);
    await this.nats?.stop();
    this.reaper.close();
  }

  private async startNats(): Promise<NatsAccess> {
    const pingSeconds = this.options.debugPort && longestWaitMs / 1000;
    this.nats = await NatsAccess.start({ ...this.options, pingSeconds, processes: this.processes });
    return this.nats;
  }

  private join(nats: NatsAccess): Promise<Membership> {
    const { namespace, workerTimeoutMs } = this.config;
    const { NATS_URL: natsUrl, ...natsSecurity } = nats.settings("operator");
    const hungAfterMs = 2 * workerTimeoutMs;
    return Membership.join({
      natsUrl,
      natsSecurity,
      namespace,
      log: this.log,
      hungAfterMs,
      onHung: (pid, underWay) => killHung(this.running?.pools.workerOf(pid), { underWay, silentMs: hungAfterMs, log: this.log }),
    });
  }

  private run(address: Address, nats: NatsAccess, membership: Membership): Running {
    const { config, processes } = this;
    const { members } = membership;
    const onEnd = (child: Child, text: string, exit: Exit) => {
      // It would end like that for ever. Later on, others serve.
      if (exit.code === configExitCode && !this.isReady) {
        const reason = child.errors.entries.join("\n") || `${child.name} ${exitText(exit)}`;
        return this.ending.abort(new StartRefused(reason));
      }
      this.log.event("error", `${child.name} ${text}`, { pid: child.pid });
    };
    const watched = (child: Child) => {
      membership.started(child.pid);
      // Before its restarter hears of it, which asks.
      void child.exited.then(() => {
        child.hasServed = membership.ended(child.pid);
      });
      return child;
    };
    const gateways = new Gateways({
      count: config.gateways,
      members,
      spawn: (index) => watched(processes.gateway(index, address, nats.settings("gateway"))),
      onEnd,
    });
    const pools = new WorkerPools({
      warmMs: config.warmMs,
      stopTimeoutMs: config.stopTimeoutMs,
      start: (release, size, standbys) =>
        new WorkerPool({
          release,
          size,
          standbys,
          members,
          spawn: (of, index) => watched(processes.worker(of, index, nats.settings(workerRole(of.folder)))),
          onEnd,
        }),
      record: this.record,
      announce: (activation) => {
        membership.announce(activation);
        this.options.debugPort?.follow(activation.release);
        this.log.event("info", "release activated", activation);
      },
      onDrained: (pool) => {
        this.log.event("info", "release drained", { release: pool.release.id });
        void this.retention.drained(pool.release.id);
      },
    });
    return { nats, address, membership, gateways, pools };
  }

  /** Kept besides: what may be rolled back to. */
  private prune({ active, pools }: WorkerPools): Promise<void> {
    const used = [...pools.map(({ release }) => release.id), active?.release.manifest.previous ?? null];
    return this.retention.prune(used.filter((id) => id !== null));
  }

  private started(): Running {
    if (this.running === undefined) throw new StillStarting("thinstate is still starting");
    return this.running;
  }

  private parts(): DeployParts {
    const { pools, membership } = this.started();
    return { config: this.config, releases: this.releases, history: this.history, pools, members: membership.members };
  }
}
