// Tells a worker when a gateway has crashed, so that onGatewayLost can clean up where no onClose ran. That concerns gateways that had
// this gateway's identity file before, and others that have been silent for GATEWAY_TIMEOUT_MS: their machine may never come back.
// The question is repeated until all hooks have succeeded. Of several gateways the one with the lowest id tells of a silent one.
//
// No journal of opens and closes, from which onClose could be run: to be right after a power cut it would have to reach the disk before
// each onOpen, and it could still not say what workers that lived on have closed. What a handler keeps can be compared and dropped twice.

import type { Logger } from "pino";
import type { IdentityFile } from "../process/identity-file.ts";
import type { Announcement } from "../protocol/membership.ts";
import { packValue } from "../protocol/msgpack.ts";
import { parseCount, toWorker } from "../protocol/records.ts";
import type { WorkerRequests } from "./worker-requests.ts";

/** Until a worker is asked again: where hooks have failed or nobody has answered, and where workers died meanwhile. */
const pauseMs = 5_000;
const longPauseMs = 60_000;

export interface LostGatewaysOptions {
  /** This gateway's id. */
  readonly self: string;
  readonly identity: Pick<IdentityFile, "crashed" | "add" | "settle">;
  readonly requests: Pick<WorkerRequests, "ask">;
  readonly log: Logger;
  /** How long a gateway may be silent. It may change. */
  readonly silenceMs: () => number;
  readonly now: () => number;
  /** Gives back the locks of its connections, for as long as that is wanted. */
  readonly freeLocks: (gateway: string, isWanted: () => boolean, onFreed: () => void) => void;
  /** Other gateways hear that it has ended. */
  readonly onHandled: (gateway: string) => void;
}

export class LostGateways {
  private readonly options: LostGatewaysOptions;
  /** What is done for each gateway, beside the hooks. */
  private readonly work = new Map<string, { isFreed: boolean; haveHooksRun: boolean }>();
  /** By gateway: how to take the question back. */
  private readonly asked = new Map<string, () => void>();
  /** By gateway: when to ask again. */
  private readonly againAt = new Map<string, number>();
  /** By id, the other gateways: when each was first heard, and last. */
  private readonly heard = new Map<string, { readonly since: number; readonly at: number }>();
  private hasEnded = false;

  constructor(options: LostGatewaysOptions) {
    this.options = options;
  }

  begin(): void {
    for (const gateway of this.options.identity.crashed) this.ask(gateway);
  }

  hear(announcement: Announcement): void {
    // Whoever takes over its identity file tells of it, or somebody has done so.
    if (announcement.kind === "gone") this.heard.delete(announcement.id);
    if (announcement.kind !== "gateway") return;
    const at = this.options.now();
    this.heard.set(announcement.id, { since: this.heard.get(announcement.id)?.since ?? at, at });
    // It was only cut off: what handlers keep of it now is of connections that are open.
    if (this.isUnderWay(announcement.id)) this.forget(announcement.id);
  }

  /** Whoever was silent until now could not be heard. */
  excuse(): void {
    const at = this.options.now();
    for (const [gateway, { since }] of this.heard) this.heard.set(gateway, { since, at });
  }

  /** To be called now and then, while what others say is heard. */
  sweep(): void {
    if (this.hasEnded) return;
    const now = this.options.now();
    for (const [gateway, at] of this.againAt) if (at <= now) this.ask(gateway);
    const latest = now - this.options.silenceMs();
    for (const [gateway, { at }] of this.heard) {
      if (at >= latest || this.isUnderWay(gateway) || !this.isFirst(at, latest)) continue;
      this.keep(this.options.identity.add(gateway));
      this.ask(gateway);
    }
  }

  /** Whoever comes after this gateway goes on with what is left. */
  end(): void {
    this.hasEnded = true;
    this.againAt.clear();
    this.work.clear();
    for (const takeBack of this.asked.values()) takeBack();
    this.asked.clear();
  }

  /** Of those that are there, and have heard one that was last heard then: whoever came later knows nothing of it. */
  private isFirst(lastHeardAt: number, latest: number): boolean {
    return [...this.heard].every(([id, { since, at }]) => at < latest || since > lastHeardAt || this.options.self < id);
  }

  private isUnderWay(gateway: string): boolean {
    return this.asked.has(gateway) || this.againAt.has(gateway);
  }

  private ask(gateway: string): void {
    const { requests, log, now } = this.options;
    this.againAt.delete(gateway);
    this.free(gateway);
    const again = (ms: number) => {
      this.asked.delete(gateway);
      if (!this.hasEnded) this.againAt.set(gateway, now() + ms);
    };
    const takeBack = requests.ask({
      what: "onGatewayLost",
      type: toWorker.gatewayLost,
      body: () => packValue(gateway),
      onAnswer: (payload) => {
        if (parseCount(payload) > 0) return again(pauseMs);
        this.heard.delete(gateway);
        this.options.onHandled(gateway);
        log.info({ lost: gateway }, "onGatewayLost has run for a gateway that crashed");
        this.progress(gateway, { haveHooksRun: true });
      },
      onBroken: () => again(pauseMs),
      // No worker, an older one, or one that is too slow.
      onTimeout: () => again(pauseMs),
      onPoison: () => {
        log.error({ lost: gateway }, `three workers died while onGatewayLost ran: it is run again in ${longPauseMs / 1000} s`);
        again(longPauseMs);
      },
      isOver: () => false,
    });
    this.asked.set(gateway, takeBack);
  }

  /** Once, however often its hooks have to be run. */
  private free(gateway: string): void {
    if (this.work.has(gateway)) return;
    const work = { isFreed: false, haveHooksRun: false };
    this.work.set(gateway, work);
    const isWanted = () => this.work.get(gateway) === work;
    this.options.freeLocks(gateway, isWanted, () => {
      if (isWanted()) this.progress(gateway, { isFreed: true });
    });
  }

  private progress(gateway: string, done: { isFreed?: true; haveHooksRun?: true }): void {
    const work = this.work.get(gateway);
    if (work === undefined) return;
    Object.assign(work, done);
    if (work.isFreed && work.haveHooksRun) this.forget(gateway);
  }

  /** Nothing is left to be told of it. */
  private forget(gateway: string): void {
    this.asked.get(gateway)?.();
    this.asked.delete(gateway);
    this.againAt.delete(gateway);
    this.work.delete(gateway);
    this.keep(this.options.identity.settle([gateway]));
  }

  private keep(written: Promise<void>): void {
    written.catch((error) =>
      this.options.log.error({ err: error }, "cannot write IDENTITY_FILE: onGatewayLost may run again, or not at all"),
    );
  }
}
