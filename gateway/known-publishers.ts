// The other gateways, as publishers to topics: for how long what was received of each has to be known. Forgotten too early, what
// it sends again would be taken for news. Pure.

/** Its last batches, and others' word of its end, come on connections of their own, through several servers it may be. */
const graceMs = 60_000;
/**
 * Of whom nothing is heard for so long. It may only have lost NATS: then it lives on, and sends again what it published last. Twice the
 * longest GATEWAY_TIMEOUT_MS, though after three quarters of that none has a connection left.
 */
export const silenceMs = 2 * 3_600_000;
/** Calls of `listened` that are further apart than this: this process has stood still, and what was said meanwhile waits to be read. */
const stoodStillMs = 1_000;

interface Publisher {
  readonly since: number;
  readonly hasEnded: boolean;
}

export class Publishers {
  private readonly all = new Map<string, Publisher>();
  /** Milliseconds in which they could be heard: others' silence is counted in these. */
  private heardMs = 0;
  private listenedAt = 0;

  get size(): number {
    return this.all.size;
  }

  has(gateway: string): boolean {
    return this.all.has(gateway);
  }

  /** It lives. */
  hear(gateway: string): void {
    this.all.set(gateway, { since: this.heardMs, hasEnded: false });
  }

  /** Something of it has come: it is one of those that are to be forgotten some day. */
  meet(gateway: string): void {
    if (!this.all.has(gateway)) this.hear(gateway);
  }

  /** It has ended, by its own word or its supervisor's. Another life of it has another name. */
  ended(id: string): void {
    if (this.all.get(id)?.hasEnded === false) this.all.set(id, { since: this.heardMs, hasEnded: true });
  }

  /** To be called several times a second. @param isDeaf NATS is away: nobody could have been heard. */
  listened(now: number, isDeaf: boolean): void {
    const ms = now - this.listenedAt;
    this.listenedAt = now;
    if (!isDeaf && ms <= stoodStillMs) this.heardMs += ms;
  }

  /** @returns those of whom nothing more will come; they are not among these any more. */
  takeGone(): string[] {
    const gone: string[] = [];
    for (const [gateway, { since, hasEnded }] of this.all) {
      if (this.heardMs - since >= (hasEnded ? graceMs : silenceMs)) gone.push(gateway);
    }
    for (const gateway of gone) this.all.delete(gateway);
    return gone;
  }
}
