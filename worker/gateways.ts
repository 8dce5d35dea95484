// Which gateways there are: met by their hello or their first batch, lost when they say so, when their supervisor does, when they begin
// another life, or when they have been silent for GATEWAY_TIMEOUT_MS. Until then, a silent one may come back.

import type { Logger } from "pino";
import type { Bus } from "../protocol/bus.ts";
import { gatewayLevel } from "../protocol/level.ts";
import type { LinkHub } from "../protocol/link-hub.ts";
import { type GatewayHello, heartbeatMs, silentMs } from "../protocol/membership.ts";
import { StallDetector } from "../protocol/stall-detector.ts";
import { GatewayPeer } from "./gateway-peer.ts";

/** How often their silence is looked at. */
const sweepMs = 250;

export interface GatewaysOptions {
  readonly hub: Pick<LinkHub, "open" | "close" | "stoodStill">;
  readonly bus: Pick<Bus, "connected" | "flush">;
  readonly log: Pick<Logger, "info" | "warn">;
  readonly now: () => number;
  /** Silent for longer, a gateway is taken for dead. */
  readonly silenceMs: number;
  readonly onMet: (id: string) => void;
  /** It was not heard for some heartbeats. */
  readonly onSilent: (id: string) => void;
  /** @param isDead Nobody else will run its connections' onClose. */
  readonly onLost: (gateway: GatewayPeer, isDead: boolean) => void;
}

export class Gateways {
  private readonly options: GatewaysOptions;
  private readonly peers = new Map<string, GatewayPeer>();
  private readonly stalls: StallDetector;
  private sweeping: NodeJS.Timeout | undefined;
  private begunAt = Number.POSITIVE_INFINITY;

  constructor(options: GatewaysOptions) {
    this.options = options;
    const { hub, bus, now } = options;
    this.stalls = new StallDetector({ now, askNats: () => bus.flush(), onStoodStill: () => hub.stoodStill(), everyMs: sweepMs });
  }

  begin(): void {
    this.begunAt = this.options.now();
    this.sweeping = setInterval(() => this.sweep(), sweepMs);
  }

  /** None is lost for its silence any more. */
  end(): void {
    clearInterval(this.sweeping);
  }

  get(id: string): GatewayPeer | undefined {
    return this.peers.get(id);
  }

  /** The one that was heard last first, silent ones last. */
  get ids(): string[] {
    const sorted = [...this.peers.values()].sort((a, b) => Number(a.isSilent) - Number(b.isSilent) || b.heardAt - a.heardAt);
    return sorted.map(({ id }) => id);
  }

  /**
   * The lowest of all of them: what one passes on, others have to understand. At first, one whose hello has not come may be of level 0. Later it
   * has only begun, or has ended, and nobody is connected to it: those that are there say hello each second.
   */
  get minLevel(): number {
    const otherwise = this.options.now() - this.begunAt < 2 * heartbeatMs ? 0 : gatewayLevel;
    let lowest = gatewayLevel;
    for (const { level } of this.peers.values()) lowest = Math.min(lowest, level ?? otherwise);
    return lowest;
  }

  /** Of all of them. */
  get connections(): number {
    let sum = 0;
    for (const { connections } of this.peers.values()) sum += connections;
    return sum;
  }

  /** Whether a worker that ends waits for one of them. */
  get areAwaited(): boolean {
    for (const { isAwaited } of this.peers.values()) if (isAwaited) return true;
    return false;
  }

  /** Something has come from it. */
  hear(id: string): GatewayPeer {
    const gateway = this.peers.get(id) ?? this.meet(id);
    gateway.heardAt = this.options.now();
    gateway.isSilent = false;
    return gateway;
  }

  /** It has said hello. */
  hearHello({ id, level }: GatewayHello): void {
    this.hear(id).level = level ?? 0;
  }

  /** @param isDead Not so where the gateway itself has forgotten this worker. */
  lose(id: string, reason: string, isDead: boolean): void {
    const { hub, log, onLost } = this.options;
    const gateway = this.peers.get(id);
    if (gateway === undefined) return;
    this.peers.delete(id);
    gateway.forgetAcked();
    hub.close(id);
    const fields = { gateway: id, reason, connections: gateway.connections };
    if (reason === "bye") log.info(fields, "gateway left");
    else log.warn(fields, "gateway left");
    onLost(gateway, isDead);
  }

  /** Whoever was silent until now could not be heard. Those that were silent before that have still to be heard again. */
  excuse(): void {
    const now = this.options.now();
    for (const gateway of this.peers.values()) gateway.heardAt = now;
  }

  private sweep(): void {
    for (const gateway of this.peers.values()) gateway.forgetAcked();
    const { now, silenceMs, onSilent } = this.options;
    // Before that is checked: this process may be stopped at any moment behind it, and what is said meanwhile is read later.
    const at = now();
    if (!this.stalls.check()) this.excuse();
    if (!this.options.bus.connected) return;
    for (const gateway of [...this.peers.values()]) {
      const forMs = at - gateway.heardAt;
      if (forMs > silenceMs) this.lose(gateway.id, "silent for too long", true);
      else if (forMs > silentMs && !gateway.isSilent) {
        gateway.isSilent = true;
        onSilent(gateway.id);
      }
    }
  }

  private meet(id: string): GatewayPeer {
    const { hub, now, onMet } = this.options;
    const link = hub.open(id);
    // One that has only stood still learns that it was taken for dead.
    link.probe();
    const gateway = new GatewayPeer(id, link, now());
    this.peers.set(id, gateway);
    onMet(id);
    return gateway;
  }
}
