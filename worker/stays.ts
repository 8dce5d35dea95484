// Connections that stay with this worker for a while although their gateways ask them back: turns have asked for it, and a gateway may not
// have heard of that yet. See `conn.stay`. Pure.

import { drainStayMs } from "../protocol/stay.ts";
import type { Mailbox } from "./mailbox.ts";

export interface StaysOptions {
  readonly now: () => number;
  /** The mailbox's time is up: it is given back if it was asked back. */
  readonly run: (mailbox: Mailbox) => void;
}

export class Stays {
  private readonly options: StaysOptions;
  /** Those that stay, and some that did until lately. */
  private readonly mailboxes = new Set<Mailbox>();
  private latest = Number.POSITIVE_INFINITY;

  constructor(options: StaysOptions) {
    this.options = options;
  }

  /** The turn under way has asked for that. @param ms 0: its stay is over. */
  set(mailbox: Mailbox, ms: number): void {
    const now = this.options.now();
    if (ms === 0) return mailbox.endStay();
    if (now >= this.latest) return;
    mailbox.stay(Math.min(now + ms, this.latest), now);
    this.mailboxes.add(mailbox);
  }

  /** The worker is about to end. */
  drain(): void {
    this.latest = this.options.now() + drainStayMs;
    for (const mailbox of this.mailboxes) mailbox.staysUntil = Math.min(mailbox.staysUntil, this.latest);
  }

  /** To be called several times a second. */
  sweep(): void {
    const now = this.options.now();
    for (const mailbox of this.mailboxes) {
      if (mailbox.staysUntil > now && !mailbox.isGone) continue;
      this.mailboxes.delete(mailbox);
      mailbox.endStay();
      if (!mailbox.isRunning && !mailbox.isGone) this.options.run(mailbox);
    }
  }
}
