// Other gateways of the installation: those that take the clients of one that ends, and those that may have clients. Pure.

import { type Announcement, heartbeatMs, silentMs } from "../protocol/membership.ts";

/** Of those of whom nothing is known. */
const mostAsked = 1_000;

export interface PeerGateway {
  readonly id: string;
  /** When it was last heard. */
  readonly heardAt: number;
  readonly isDraining: boolean;
  /** See protocol/level.ts. */
  readonly level: number;
  /** Requests that came to it before then are answered, as far as is known. */
  readonly unansweredSince: number;
}

export interface PeerGatewaysOptions {
  readonly now: () => number;
  /** One that has been silent for longer has no clients any more: GATEWAY_TIMEOUT_MS. Read each time. */
  readonly timeoutMs: () => number;
}

export class PeerGateways {
  private readonly options: PeerGatewaysOptions;
  private readonly peers = new Map<string, PeerGateway>();
  private listeningSince: number;
  /** Until then their silence was no fault of theirs, */
  private excusedUntil: number;
  /** from then on. */
  private excusedFrom = Number.NEGATIVE_INFINITY;
  private sweptAt = Number.NEGATIVE_INFINITY;
  /** When it was first asked of whom nothing is known. */
  private readonly askedAt = new Map<string, number>();
  private readonly goneListeners: Array<(id: string) => void> = [];

  constructor(options: PeerGatewaysOptions) {
    this.options = options;
    this.listeningSince = this.excusedUntil = options.now();
  }

  /** Its clients have gone with it. */
  onGone(listener: (id: string) => void): void {
    this.goneListeners.push(listener);
  }

  hear(announcement: Announcement): void {
    if (announcement.kind === "gone") {
      this.peers.delete(announcement.id);
      for (const listener of this.goneListeners) listener(announcement.id);
    }
    if (announcement.kind !== "gateway") return;
    const { id, draining = false, level = 0, unansweredMs = 0 } = announcement;
    const heardAt = this.options.now();
    this.askedAt.delete(id);
    this.peers.set(id, { id, heardAt, isDraining: draining, level, unansweredSince: heardAt - unansweredMs });
  }

  /** What they say arrives from now on. */
  listens(): void {
    this.listeningSince = this.options.now();
    this.excuse();
  }

  /** Whoever was silent until now could not be heard. */
  excuse(): void {
    this.excusedUntil = this.options.now();
    this.excusedFrom = this.sweptAt;
  }

  /** Of one that is known. */
  levelOf(id: string): number | undefined {
    return this.peers.get(id)?.level;
  }

  /** Whether another one takes clients. */
  get areThere(): boolean {
    const latest = this.options.now() - silentMs;
    return [...this.peers.values()].some(({ heardAt, isDraining }) => !isDraining && heardAt >= latest);
  }

  /**
   * Those that may have sessions, which were heard so lately, or would have been, but for what is excused. Those of level 0 have none, and
   * do not listen for what is said of them.
   */
  withSessions(ms: number): PeerGateway[] {
    const latest = this.options.now() - ms;
    const isExcused = (heardAt: number) => this.excusedUntil >= latest && heardAt >= this.excusedFrom - ms;
    return [...this.peers.values()].filter(({ level, heardAt }) => level > 0 && (heardAt >= latest || isExcused(heardAt)));
  }

  /** All of them that may have clients, by id. One that is silent may only be cut off from NATS. */
  get all(): PeerGateway[] {
    const { now, timeoutMs } = this.options;
    const latest = now() - timeoutMs();
    for (const { id, heardAt } of this.peers.values()) if (Math.max(heardAt, this.excusedUntil) < latest) this.peers.delete(id);
    return [...this.peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** To be called while what others say is heard, and was until now. */
  sweep(at = this.options.now()): void {
    this.sweptAt = at;
  }

  /**
   * Whether it has no clients any more, known or not: nothing was heard of it for so long that it would have been. Not by the clock of now:
   * whoever has stood still has yet to read what was said meanwhile. And not at the first question: it may have begun, and its hello be
   * under way.
   */
  isGone(id: string): boolean {
    const heardAt = this.peers.get(id)?.heardAt;
    if (this.sweptAt - Math.max(heardAt ?? Number.NEGATIVE_INFINITY, this.excusedUntil) <= this.options.timeoutMs()) return false;
    if (heardAt !== undefined) return true;
    const askedAt = this.askedAt.get(id) ?? this.sweptAt;
    if (this.askedAt.size >= mostAsked) this.askedAt.clear();
    this.askedAt.set(id, askedAt);
    return this.sweptAt - askedAt > silentMs;
  }

  /** Whether each that is there has said hello since we listen. */
  get areKnown(): boolean {
    return this.options.now() - this.listeningSince >= heartbeatMs;
  }
}
