// Mailboxes that go on for a while where their gateway asks them back: a turn has asked for it, and its gateway may not have heard of that.
// See `conn.stay`. Pure.

import type { Mailbox } from "./mailbox.ts";

/** A worker that drains waits no longer for them: the rest of its DRAIN_MS, 8 s by default, is for their last turns. */
const drainStayMs = 5_000;

export interface StaysOptions {
  readonly now: () => number;
  /** Its time is up: it is given back if it was asked back. */
  readonly run: (mailbox: Mailbox) => void;
}

export class Stays {
  private readonly options: StaysOptions;
  private readonly mailboxes = new Set<Mailbox>();
  private latest = Number.POSITIVE_INFINITY;

  constructor(options: StaysOptions) {
    this.options = options;
  }

  /**
   * A turn of it has asked for that. Nothing prolongs a stay here: a gateway does so until a hand-over waits for it, and then gives it no
   * events beyond.
   * @param ms 0: it is over.
   */
  set(mailbox: Mailbox, ms: number): void {
    const now = this.options.now();
    if (ms === 0) mailbox.endStay();
    else if (mailbox.staysUntil === 0 && now < this.latest) {
      mailbox.staysUntil = Math.min(now + ms, this.latest);
      this.mailboxes.add(mailbox);
    }
  }

  /** Its gateway wants it back. */
  leave(mailbox: Mailbox): void {
    if (mailbox.staysUntil <= this.options.now()) mailbox.endStay();
    mailbox.leave();
  }

  /** The worker is about to end. */
  drain(): void {
    this.latest = this.options.now() + drainStayMs;
    for (const mailbox of this.mailboxes) mailbox.staysUntil = Math.min(mailbox.staysUntil, this.latest);
  }

  /** To be called several times a second. */
  sweep(): void {
    for (const mailbox of this.mailboxes) {
      if (mailbox.staysUntil > this.options.now() && !mailbox.isGone) continue;
      this.mailboxes.delete(mailbox);
      mailbox.endStay();
      if (!mailbox.isRunning && !mailbox.isGone) this.options.run(mailbox);
    }
  }
}
