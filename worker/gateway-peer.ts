// A gateway as the worker sees it: its link, and the mailboxes of the connections that it has given to this worker.

import { CodedError } from "../protocol/errors.ts";
import type { Link } from "../protocol/link.ts";
import { flag, toGateway } from "../protocol/records.ts";
import { type Effects, sendGroup } from "./effects.ts";
import type { Mailbox, TurnGateway } from "./mailbox.ts";

/** A flush that its gateway has not confirmed. */
interface Flush {
  resolve(): void;
  reject(error: Error): void;
}

/** An onClose that has committed. Its gateway may have died before it published what that asks for. */
export interface CommittedClose {
  readonly mailbox: Mailbox;
  readonly effects: Effects;
  /** The link's batch that has them. */
  readonly batch: number;
}

export class GatewayPeer implements TurnGateway {
  readonly id: string;
  readonly link: Link;
  /** When it was last heard of. */
  heardAt: number;
  /** It has missed several heartbeats: nobody waits for its answers, until it is heard again. */
  isSilent = false;
  /** How much of the protocol it knows: see protocol/level.ts. undefined: neither its hello nor a pin has come yet. */
  level: number | undefined;
  /** The state that stood directly before a pin. */
  earlier: { readonly state: Uint8Array; readonly slot: number; readonly epoch: number } | undefined;
  /** By slot. */
  private readonly mailboxes = new Map<number, Mailbox>();
  private readonly flushes = new Map<Mailbox, Flush[]>();
  /** Those that wait for the link's credit. */
  private waiting = new Set<Mailbox>();
  /** Those that the gateway has not acknowledged, the oldest first. Bounded by the link's credit. */
  readonly closes: CommittedClose[] = [];

  constructor(id: string, link: Link, now: number) {
    this.id = id;
    this.link = link;
    this.heardAt = now;
  }

  get connections(): number {
    return this.mailboxes.size;
  }

  get isLost(): boolean {
    return this.link.lost;
  }

  /**
   * Whether a worker that ends waits for it: it has connections to take back, or batches to acknowledge. One that is silent does neither, and
   * is waited for while a turn of it runs. Should it come back, NATS has kept what was committed, and it gives what was not to other workers.
   */
  get isAwaited(): boolean {
    if (!this.isSilent) return this.connections > 0 || this.link.unackedBatches > 0 || this.link.batch.records > 0;
    for (const { isRunning } of this.mailboxes.values()) if (isRunning) return true;
    return false;
  }

  all(): Iterable<Mailbox> {
    return this.mailboxes.values();
  }

  get(slot: number): Mailbox | undefined {
    return this.mailboxes.get(slot);
  }

  add(mailbox: Mailbox): void {
    this.mailboxes.set(mailbox.pin.slot, mailbox);
  }

  takesMore(mailbox: Mailbox): boolean {
    if (this.isLost) return false;
    if (this.link.hasCredit) return true;
    this.waiting.add(mailbox);
    return false;
  }

  /** The link has credit again. @returns the mailboxes that have waited for it. */
  creditBack(): Iterable<Mailbox> {
    const { waiting } = this;
    this.waiting = new Set();
    return waiting;
  }

  commit(mailbox: Mailbox, effects: Effects, end: number): void {
    sendGroup(this.link, mailbox.pin, effects, end);
    // Older gateways acknowledge later than they publish, and what both they and another one publish would be heard twice.
    const isClose = end === flag.commit && mailbox.isGone;
    if (!isClose || effects.all.length === 0 || (mailbox.pin.level ?? 0) < 1) return;
    this.forgetAcked();
    this.closes.push({ mailbox, effects, batch: this.link.lastBatch });
  }

  /** What the gateway has acknowledged it has published. To be called now and then, and before the link is closed. */
  forgetAcked(): void {
    const { ackedBatch } = this.link;
    const first = this.closes.findIndex(({ batch }) => batch > ackedBatch);
    this.closes.splice(0, first < 0 ? this.closes.length : first);
  }

  flushed(mailbox: Mailbox): Promise<void> {
    if (mailbox.isGone) return Promise.reject(goneError());
    return new Promise((resolve, reject) => {
      const flushes = this.flushes.get(mailbox) ?? [];
      flushes.push({ resolve, reject });
      this.flushes.set(mailbox, flushes);
    });
  }

  /** The oldest flush of the mailbox has been applied. */
  confirmFlush(mailbox: Mailbox): void {
    this.flushes.get(mailbox)?.shift()?.resolve();
  }

  /** Gives the mailbox back if that was asked for, and forgets it if it is gone. */
  idle(mailbox: Mailbox): void {
    if (mailbox.release()) {
      const { slot, epoch } = mailbox.pin;
      this.link.appendEmpty({ type: toGateway.released, flags: 0, extra: 0, slot, epoch });
    }
    if (mailbox.isGone) this.remove(mailbox);
  }

  /** A bug met what was given of a pin: its gateway closes the connection, and nothing of it counts here. */
  giveUp(slot: number, epoch: number): void {
    this.link.appendEmpty({ type: toGateway.released, flags: flag.broken, extra: 0, slot, epoch });
  }

  /** Another worker has it, or nobody: what waits for a confirmation will get none. */
  forget(mailbox: Mailbox): void {
    for (const { reject } of this.flushes.get(mailbox) ?? []) reject(goneError());
    this.remove(mailbox);
  }

  private remove(mailbox: Mailbox): void {
    this.flushes.delete(mailbox);
    this.waiting.delete(mailbox);
    // Another may have its place by now.
    if (this.mailboxes.get(mailbox.pin.slot) === mailbox) this.mailboxes.delete(mailbox.pin.slot);
  }
}

function goneError(): CodedError {
  return new CodedError("turn.over", "the connection's gateway is gone, or has given it to another worker");
}
