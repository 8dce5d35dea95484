// What the dashboard shows of one moment, and what its charts show of the last two minutes. Pure.

import { type HandoverFigures, handoverFigures } from "../../protocol/handover-figures.ts";
import type { GatewayHello } from "../../protocol/membership.ts";
import type { Fleet, GatewayRow, Placed, Rows, WorkerRow } from "./fleet.ts";

/** Two minutes, one a second. */
const keptSamples = 120;

/** One point of the charts. */
export interface Sample extends Placed {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly inPerSecond: number;
  readonly outPerSecond: number;
  /** The active release; null: none yet. */
  readonly release: string | null;
}

export interface Snapshot extends Sample {
  /** The gateway that tells all this. */
  readonly gateway: string;
  /** Whether it has NATS, by which it hears of the others. */
  readonly hasNats: boolean;
  readonly generation: number;
  readonly connections: number;
  readonly parked: number;
  /** Of the last activation; null: there was none. */
  readonly handover: HandoverFigures | null;
  readonly gateways: Rows<GatewayRow>;
  readonly workers: Rows<WorkerRow>;
}

/** @param own The hello of the gateway that tells it. @param at Milliseconds since 1970. */
export function snapshotOf(fleet: Fleet, own: GatewayHello, { at, hasNats }: { at: number; hasNats: boolean }): Snapshot {
  const { activation } = own;
  const gateways = fleet.gateways;
  return {
    at,
    gateway: own.id,
    hasNats,
    release: activation?.release ?? null,
    generation: activation?.generation ?? 0,
    ...fleet.placed(),
    ...fleet.rates(),
    connections: gateways.reduce((sum, { connections }) => sum + connections, 0),
    parked: gateways.reduce((sum, { parked }) => sum + parked, 0),
    handover: activation === undefined ? null : handoverFigures(gateways, activation.generation),
    gateways: fleet.gatewayRows(),
    workers: fleet.workerRows(activation),
  };
}

export class Samples {
  private kept: Sample[] = [];

  /** The oldest first. */
  get all(): readonly Sample[] {
    return this.kept;
  }

  add({ at, releases, waiting, inPerSecond, outPerSecond, release }: Sample): void {
    this.kept.push({ at, releases, waiting, inPerSecond, outPerSecond, release });
    if (this.kept.length > keptSamples) this.kept.shift();
  }

  clear(): void {
    this.kept = [];
  }
}
