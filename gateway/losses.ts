// Gateways that have ended without a word: a worker is told, so that handlers set right what no onClose has. Of those that were in
// this one's place, and of others that are silent for so long that workers take them for dead: their machine may never come back. Told
// until one has done it; where that ends workers, no more.
//
// No journal of opens and closes, from which onClose could be run: to be right after a power cut it would have to reach the disk before
// each onOpen, and it could still not say what workers that lived on have closed. What a handler keeps can be compared and dropped twice.

import type { Logger } from "pino";
import type { Announcement } from "../protocol/membership.ts";
import { packValue } from "../protocol/msgpack.ts";
import type { Place } from "../protocol/predecessor.ts";
import { parseCount, toWorker } from "../protocol/records.ts";
import type { Asks } from "./asks.ts";

/** Until a worker is asked again whose handlers could not do it. */
const pauseMs = 5_000;

export interface LossesOptions {
  /** This gateway's id. */
  readonly self: string;
  readonly place: Pick<Place, "before" | "settle">;
  readonly asks: Pick<Asks, "ask">;
  readonly log: Logger;
  /** How long a gateway may be silent. It may change. */
  readonly silenceMs: () => number;
  readonly now: () => number;
}

export class Losses {
  private readonly options: LossesOptions;
  /** By gateway: how to take the question back. */
  private readonly asked = new Map<string, () => void>();
  /** By gateway: when to ask again. */
  private readonly failedAt = new Map<string, number>();
  /** By id, the other gateways: when each was last heard. */
  private readonly heardAt = new Map<string, number>();
  private hasEnded = false;

  constructor(options: LossesOptions) {
    this.options = options;
  }

  begin(): void {
    for (const gateway of this.options.place.before) this.ask(gateway);
  }

  hear(announcement: Announcement): void {
    // Whoever comes in its place tells of it.
    if (announcement.kind === "gone") this.heardAt.delete(announcement.id);
    else if (announcement.kind === "gateway") this.heardAt.set(announcement.id, this.options.now());
  }

  /** Whoever was silent until now could not be heard. */
  excuse(): void {
    const now = this.options.now();
    for (const gateway of this.heardAt.keys()) this.heardAt.set(gateway, now);
  }

  /** To be called now and then, while what others say is heard. */
  sweep(): void {
    const now = this.options.now();
    for (const [gateway, at] of this.failedAt) {
      if (at > now - pauseMs) continue;
      this.failedAt.delete(gateway);
      this.ask(gateway);
    }
    const silent = [...this.heardAt].filter(([, at]) => at < now - this.options.silenceMs()).map(([gateway]) => gateway);
    for (const gateway of silent) this.heardAt.delete(gateway);
    // One of those that are left tells of it.
    if ([...this.heardAt.keys()].every((other) => this.options.self < other)) for (const gateway of silent) this.ask(gateway);
  }

  /** Whoever comes after this gateway goes on with what is left. */
  end(): void {
    this.hasEnded = true;
    this.failedAt.clear();
    for (const takeBack of this.asked.values()) takeBack();
    this.asked.clear();
  }

  private ask(gateway: string): void {
    const { log } = this.options;
    const later = () => {
      this.asked.delete(gateway);
      if (!this.hasEnded) this.failedAt.set(gateway, this.options.now());
    };
    const takeBack = this.options.asks.ask({
      what: "onGatewayLost",
      type: toWorker.gatewayLost,
      body: () => packValue(gateway),
      onAnswer: (payload) => {
        if (parseCount(payload) > 0) return later();
        this.settle(gateway);
        log.info({ lost: gateway }, "handlers know of a gateway that ended without a word");
      },
      onBegun: () => {
        throw new TypeError("no body follows this answer");
      },
      onBroken: later,
      // No worker of this version yet.
      onTimeout: later,
      onPoison: () => {
        log.error({ lost: gateway }, "no worker is told any more of a gateway that ended without a word: three died of it (onGatewayLost)");
        this.settle(gateway);
      },
      isOver: () => false,
    });
    this.asked.set(gateway, takeBack);
  }

  private settle(gateway: string): void {
    this.asked.delete(gateway);
    try {
      this.options.place.settle([gateway]);
    } catch (error) {
      this.options.log.error({ err: error, lost: gateway }, "handlers will be told again of a gateway that ended without a word");
    }
  }
}
