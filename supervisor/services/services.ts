// An installation on systemd, for the time of one command: which units run, what gateways and workers say of themselves over
// NATS, and which release is active.

import { join } from "node:path";
import type { DeployProgress } from "../../protocol/deploy-progress.ts";
import type { Config } from "../config.ts";
import { Cancelled } from "../control.ts";
import { deploy, type RollbackOptions, rollback } from "../deploy.ts";
import type { DeployReport } from "../deploy-report.ts";
import type { Deployable, DeployableOptions } from "../deployable.ts";
import { asService, checkEverySetting } from "../every-setting.ts";
import { webSocketUrl } from "../listen-address.ts";
import type { Log } from "../log-display.ts";
import { Membership } from "../presence.ts";
import { ReleaseRetention } from "../release-retention.ts";
import { openReleases, type ReleaseStore } from "../releases/release.ts";
import { RollbackHistory } from "../rollback-history.ts";
import { type Status, statusOf, type UnderWay } from "../status.ts";
import type { DeployParts } from "../switch-over.ts";
import { unknownSettings } from "../unknown-settings.ts";
import { readSettings } from "./environment-file.ts";
import { layout, units } from "./layout.ts";
import { operatorAccess, ownServerUrl } from "./nats-access.ts";
import { ServicePools } from "./service-pools.ts";
import { unitStates } from "./systemd.ts";
import { workerSandbox } from "./worker-sandbox.ts";

/** How long those that run may take to say hello. */
const helloMs = 3_000;
/** Between two hellos of a gateway, of which a rate is made. */
const rateMs = 1_100;

export interface ServicesOptions {
  /** Where releases are made of. */
  readonly clone: string;
  readonly log: Pick<Log, "event" | "say">;
}

export class Services implements Deployable {
  private readonly config: Config;
  private readonly releases: ReleaseStore;
  private readonly membership: Membership;
  private readonly pools: ServicePools;
  private readonly retention: ReleaseRetention;
  private readonly history: RollbackHistory;
  private readonly ending = new AbortController();

  private constructor(parts: {
    config: Config;
    releases: ReleaseStore;
    membership: Membership;
    pools: ServicePools;
    retention: ReleaseRetention;
    history: RollbackHistory;
  }) {
    this.config = parts.config;
    this.releases = parts.releases;
    this.membership = parts.membership;
    this.pools = parts.pools;
    this.retention = parts.retention;
    this.history = parts.history;
  }

  /** @throws {SettingsRefused}, {NatsUnreachable}, {SystemdError}; where the record of the activation cannot be read. */
  static async open({ clone, log }: ServicesOptions): Promise<Services> {
    const config = serviceConfig();
    const { sharedDir, checkTimeoutMs: checkLimitMs } = config;
    const folder = join(layout.state, "releases");
    const runAs = { user: "thinstate-worker", node: layout.node, ...(await workerSandbox()) };
    const releases = openReleases({ clone, folder, sharedDir, checkLimitMs, runAs });
    const membership = await Membership.join({
      natsUrl: config.natsUrl ?? "",
      natsSecurity: config.natsSecurity,
      namespace: config.namespace,
      log,
      // systemd's watchdog ends what hangs.
      hungAfterMs: Number.POSITIVE_INFINITY,
      onHung: () => undefined,
    });
    const { members } = membership;
    const pools = await ServicePools.open(releases, {
      config,
      members,
      announce: (activation) => {
        membership.announce(activation);
        log.event("info", "release activated", activation);
      },
      log,
    });
    const services = new Services({
      config,
      releases,
      membership,
      pools,
      retention: new ReleaseRetention({ config, releases, log, isDev: false }),
      history: new RollbackHistory(join(layout.state, "rollbacks.json"), log),
    });
    await services.heard();
    return services;
  }

  async deploy(options: DeployableOptions): Promise<DeployReport> {
    // What a command that was killed has left half made.
    await this.releases.clean();
    const unknown = unknownSettings(Object.keys(readSettings()));
    if (unknown !== undefined) options.onStep(`${layout.settingsFile}: ${unknown}`, "note");
    const size = this.config.workers || options.workers || 1;
    const previous = this.pools.activation?.release ?? null;
    const report = await deploy(this.parts, { ...options, size, standbys: size, previous, ending: this.ending.signal });
    await this.prune();
    return report;
  }

  async rollback(options: Omit<RollbackOptions, "size">): Promise<DeployReport> {
    const report = await rollback(this.parts, { ...options, size: this.pools.active?.size ?? this.config.workers });
    await this.prune();
    return report;
  }

  async status(underWay: UnderWay): Promise<Status> {
    const { members } = this.membership;
    await new Promise((resolve) => setTimeout(resolve, rateMs));
    const [nats] = await unitStates(units.nats);
    const [all] = await unitStates(units.all);
    return statusOf({
      url: webSocketUrl(this.config.host, this.config.port, this.config.hasTls),
      pid: null,
      startedAt: Math.min(...members.gateways.map(({ startedAt }) => startedAt), Date.now()),
      ready: all?.active === "active" && members.gateways.length > 0 && members.gateways.every(({ serving }) => serving),
      nats: { url: this.config.natsUrl ?? "", pid: nats?.pid || null },
      ...underWay,
      members,
      pools: this.pools,
      releases: await this.releases.list(),
      rolledBack: this.history.list(),
      nowMs: Date.now(),
    });
  }

  tellDeploy(progress: DeployProgress): void {
    this.membership.tellDeploy(progress);
  }

  /** Whether a release has been activated. */
  get isActive(): boolean {
    return this.pools.activation !== undefined;
  }

  /** Ends a watch; what was activated stays. */
  end(): void {
    this.ending.abort(new Cancelled("the command was ended"));
  }

  async close(): Promise<void> {
    await this.pools.close();
    await this.membership.leave();
  }

  private get parts(): DeployParts {
    return { config: this.config, releases: this.releases, history: this.history, pools: this.pools, members: this.membership.members };
  }

  /** Resolves when every gateway and worker that runs here has said hello; late ones are not waited for. */
  private async heard(): Promise<void> {
    const { members } = this.membership;
    const states = [...(await unitStates(units.gateway("*"))), ...(await unitStates("thinstate-worker@*"))];
    const pids = states.filter(({ active }) => active === "active").map(({ pid }) => pid);
    await members.within(helloMs, () => pids.every((pid) => members.byProcess(pid) !== undefined));
  }

  /** Kept besides: what may be rolled back to. */
  private prune(): Promise<void> {
    const used = [...this.pools.releases, this.pools.active?.release.manifest.previous ?? null];
    return this.retention.prune(used.filter((id) => id !== null));
  }
}

/** Of gateways, workers and commands of this machine. @throws {SettingsRefused} */
function serviceConfig(): Config {
  const settings = readSettings();
  const natsUrl = settings.NATS_URL || ownServerUrl();
  return checkEverySetting({
    ...asService,
    ...settings,
    ...(natsUrl === undefined ? {} : operatorAccess(natsUrl)),
    THINSTATE_DIR: layout.state,
  }).config;
}
