// The links to other gateways that have pipes with this one, and whether those gateways are there. Pure.
//
// A link is opened by whoever needs it first, and never closed while its gateway lives: a new one at one side ends all pipes of the other.

import type { LinkHub } from "../../protocol/link-hub.ts";
import { settleMs, silentMs } from "../sessions/relay-times.ts";
import { PeerLink } from "./peer-link.ts";

/** As long as there are pipes, each side says so often that it is there. */
const probeMs = 1_000;
/** Whoever was silent for longer may not hear, either. */
const quietMs = 2_500;

export interface PeerLinksOptions {
  readonly hub: Pick<LinkHub, "open" | "close">;
  readonly now: () => number;
  readonly isConnected: () => boolean;
  /** Whether it is a gateway that knows pipes. */
  readonly isPeer: (id: string) => boolean;
  /** Whether there are pipes with it. */
  readonly isUsed: (id: string) => boolean;
  /** It is gone, or has forgotten this gateway: its pipes are over. */
  readonly onLost: (id: string) => void;
}

export class PeerLinks {
  private readonly options: PeerLinksOptions;
  private readonly links = new Map<string, PeerLink>();
  private excusedAt = Number.NEGATIVE_INFINITY;

  constructor(options: PeerLinksOptions) {
    this.options = options;
  }

  has(peer: string): boolean {
    return this.links.has(peer);
  }

  get isBusy(): boolean {
    return [...this.links.values()].some((link) => link.isBusy);
  }

  /** Opened where there is none. */
  to(peer: string): PeerLink {
    const known = this.links.get(peer);
    if (known !== undefined) return known;
    const link = new PeerLink(this.options.hub.open(peer));
    this.links.set(peer, link);
    return link;
  }

  /** When it was heard last, where what was said since then may not have arrived; Infinity: nothing speaks for that. */
  quietSince({ link, awaitedSince }: PeerLink): number {
    const { now, isConnected } = this.options;
    const heardAt = Math.max(link.heardAt, awaitedSince ?? now());
    const isQuiet = !isConnected() || heardAt < this.excusedAt || now() - heardAt > quietMs;
    return isQuiet ? heardAt : Number.POSITIVE_INFINITY;
  }

  /** For how long nothing has been heard of it that could have been; below 0: it is not quiet. */
  quietMs(link: PeerLink): number {
    return this.options.now() - Math.max(this.quietSince(link), this.excusedAt);
  }

  credit(peer: string): void {
    this.links.get(peer)?.credit();
  }

  /** At once: what is on its way is bounded, so whoever has sent it is to know soon that it has come. */
  acknowledge(peer: string): void {
    this.links.get(peer)?.link.ackAtFlush();
  }

  /** Its link in the hub is over. */
  lost(peer: string): void {
    const link = this.links.get(peer);
    if (link === undefined) return;
    this.links.delete(peer);
    this.options.onLost(peer);
    link.end();
  }

  /** It has ended. */
  gone(peer: string): void {
    if (!this.links.has(peer)) return;
    this.options.hub.close(peer);
    this.lost(peer);
  }

  /** NATS says that nobody hears it. In a cluster of NATS servers it may be on its way to another one, so one word is not enough. */
  unheard(peer: string): void {
    const link = this.links.get(peer);
    if (link === undefined) return;
    const at = this.options.now();
    const since = link.unheardSince;
    if (since === undefined || link.link.heardAt >= since) link.unheardSince = at;
    else if (at - since >= settleMs) this.gone(peer);
  }

  /** Whoever was silent until now could not be heard. */
  excuse(): void {
    this.excusedAt = this.options.now();
    for (const link of this.links.values()) link.unheardSince = undefined;
  }

  /** To be called several times a second. */
  sweep(): void {
    for (const [peer, link] of this.links) this.sweepLink(peer, link);
  }

  private sweepLink(peer: string, link: PeerLink): void {
    const { now, isConnected, isPeer, isUsed } = this.options;
    link.sweep();
    if (!isUsed(peer) && !link.isBusy) {
      link.awaitedSince = undefined;
      if (!isPeer(peer)) this.gone(peer);
      return;
    }
    const at = now();
    link.awaitedSince ??= at;
    if (!isConnected()) return;
    if (at - Math.max(link.link.heardAt, link.awaitedSince, this.excusedAt) >= silentMs) return this.gone(peer);
    if (at - link.probedAt < probeMs) return;
    link.probedAt = at;
    link.link.probe();
  }
}
