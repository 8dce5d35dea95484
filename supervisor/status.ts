// What an installation is doing at a moment, for programs and, as a table, for people.

import type { Members } from "./members.ts";
import type { Release } from "./releases/release.ts";
import { isDevRelease } from "./releases/release-name.ts";
import type { Rollback } from "./rollback-history.ts";
import type { DeployPools } from "./switch-over.ts";

/** Of all pools: what a status needs. */
type PoolsView = Pick<DeployPools, "activation" | "warm">;

export interface Status {
  /** Where clients connect. */
  readonly url: string;
  /** Of the supervisor; null: it is systemd. */
  readonly pid: number | null;
  /** Of the supervisor, in milliseconds since 1970. */
  readonly startedAt: number;
  /** A message could be answered now, on all gateways. */
  readonly ready: boolean;
  /** pid is null when the server is not ours. */
  readonly nats: { readonly url: string; readonly pid: number | null };
  /** null until the first deploy of an installation that was started without workers. */
  readonly release: { readonly id: string; readonly generation: number } | null;
  /** Those that rollback-worker can go back to, and the active one; the newest first. */
  readonly releases: readonly {
    readonly id: string;
    /** kept: none of its workers runs. */
    readonly state: "active" | "standby" | "warm" | "kept";
    /** In milliseconds since 1970. */
    readonly deployedAt: number;
  }[];
  /**
   * Those that were rolled back lately; the newest first. One that a deploy has rolled back by itself is not kept. A server of version
   * 0.2, which a newer command may ask, does not say.
   */
  readonly rolledBack?: readonly Rollback[];
  readonly gateways: readonly {
    readonly id: string;
    readonly pid: number;
    readonly connections: number;
    readonly parked: number;
    /** Seconds. */
    readonly uptime: number;
    readonly adminPort: number;
    readonly messagesInPerSecond: number;
    readonly messagesOutPerSecond: number;
  }[];
  readonly workers: readonly {
    readonly id: string;
    readonly pid: number;
    readonly release: string;
    readonly state: "active" | "standby" | "warm" | "draining";
    readonly connections: number;
    /** Those of the handlers' tasks that run in it: "/ticker prices". */
    readonly tasks: readonly string[];
  }[];
  /** Who deploys at the moment. */
  readonly deploying: string | null;
  /** When the watch over what a deploy has activated should end, in milliseconds since 1970; null: there is none. */
  readonly watchedUntil: number | null;
}

/** What somebody has asked for that is not done yet. */
export type UnderWay = Pick<Status, "deploying" | "watchedUntil">;

type Rest = Pick<Status, "url" | "pid" | "startedAt" | "ready" | "nats" | "rolledBack" | keyof UnderWay>;

interface Parts extends Rest {
  readonly members: Members;
  readonly pools: PoolsView;
  /** The oldest first. */
  readonly releases: readonly Release[];
  readonly nowMs: number;
}

export function statusOf({ members, pools, releases, nowMs, ...rest }: Parts): Status {
  const { activation } = pools;
  const isRunning = (id: string) => members.workers.some(({ release, state }) => release === id && state !== "draining");
  const isListed = (id: string) => !isDevRelease(id) || id === activation?.release;
  return {
    ...rest,
    release: activation === undefined ? null : { id: activation.release, generation: activation.generation },
    releases: releases
      .filter(({ id }) => isListed(id))
      .map(({ id, manifest }) => ({
        id,
        state: isRunning(id) || id === activation?.release ? stateOf(id, pools) : ("kept" as const),
        deployedAt: Date.parse(manifest.createdAt),
      }))
      .reverse(),
    gateways: members.gateways.map((gateway) => ({
      id: gateway.id,
      pid: gateway.pid,
      connections: gateway.connections,
      parked: gateway.parked,
      uptime: Math.max(0, Math.round((nowMs - gateway.startedAt) / 1000)),
      adminPort: gateway.adminPort,
      messagesInPerSecond: members.ratesOf(gateway.id).inPerSecond,
      messagesOutPerSecond: members.ratesOf(gateway.id).outPerSecond,
    })),
    workers: members.workers.map((worker) => ({
      id: worker.id,
      pid: worker.pid,
      release: worker.release,
      state: worker.state === "draining" ? "draining" : stateOf(worker.release, pools),
      connections: members.gateways.reduce((sum, gateway) => sum + (gateway.pins[worker.id] ?? 0), 0),
      tasks: Object.keys(worker.tasks ?? {}),
    })),
  };
}

export function statusText(status: Status): string {
  const release =
    status.release === null ? "none yet: npm run deploy-worker" : `${status.release.id} (generation ${status.release.generation})`;
  const head = [
    `${status.url}  ${status.ready ? "ready" : "not ready"}, supervisor ${status.pid ?? "systemd"}`,
    `release   ${release}`,
    `nats      ${status.nats.url}${status.nats.pid === null ? "" : ` (process ${status.nats.pid})`}`,
    ...(status.deploying === null ? [] : [`deploying ${status.deploying}`]),
  ];
  const gateways = table([
    ["gateway", "pid", "connections", "parked", "in/s", "out/s", "uptime"],
    ...status.gateways.map((gateway) =>
      [
        gateway.id,
        gateway.pid,
        gateway.connections,
        gateway.parked,
        gateway.messagesInPerSecond,
        gateway.messagesOutPerSecond,
        `${gateway.uptime} s`,
      ].map(String),
    ),
  ]);
  const workers = table([
    ["worker", "pid", "release", "state", "connections", "tasks"],
    ...status.workers.map((worker) =>
      [worker.id, worker.pid, worker.release, worker.state, worker.connections, worker.tasks.join(", ")].map(String),
    ),
  ]);
  const releases = table([
    ["release", "state", "deployed"],
    ...status.releases.map(({ id, state, deployedAt }) => [id, state, timeText(deployedAt)]),
  ]);
  const rolledBack = table([
    ["rolled back", "when", "why"],
    ...(status.rolledBack ?? []).map(({ id, at, why }) => [id, timeText(at), why]),
  ]);
  return [...head, "", ...gateways, "", ...workers, "", ...releases, ...(rolledBack.length > 1 ? ["", ...rolledBack] : [])].join("\n");
}

/** "2026-11-28 15:41:33" */
function timeText(ms: number): string {
  return new Date(ms).toLocaleString("sv-SE");
}

function stateOf(release: string, pools: PoolsView): "active" | "standby" | "warm" {
  if (release === pools.activation?.release) return "active";
  return pools.warm(release) === undefined ? "standby" : "warm";
}

function table(rows: readonly string[][]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
