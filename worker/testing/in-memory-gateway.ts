// Stands in for a gateway and its workers: gives connections' events to the real Turns and applies what they commit as
// gateway/commit.ts does, to connections in memory. Workers change as in a deploy, or die where a test wants it.

import type { CodedError } from "../../protocol/errors.ts";
import { flag, toGateway, toWorker } from "../../protocol/records.ts";
import { checkSingle, type Effects, type Frame, framesOf } from "../effects.ts";
import type { App, Handler, PublishOptions } from "../handler.ts";
import type { Mailbox, TurnGateway } from "../mailbox.ts";
import { pinnedState } from "../state.ts";
import type { TurnsOptions } from "../turns.ts";
import { applyEffects } from "./apply-effect.ts";
import { type Arriving, comeDue, expire, nextDue } from "./due-events.ts";
import { type Admission, type Arrival, HeldConnection } from "./held-connection.ts";
import { HookDeliveries } from "./hook-deliveries.ts";
import { KeptHistory } from "./kept-history.ts";
import { bytesOf, seenEffect, wireFrames } from "./seen.ts";
import { TestLocks } from "./test-locks.ts";
import { TestWorkers } from "./test-workers.ts";

/**
 * Where a worker dies. "before commit": the hook has run and nothing of it has happened. "after flush": what it flushed has
 * happened, the rest has not. "after commit": all of it has happened, once.
 */
export type CrashPoint = "before commit" | "after flush" | "after commit";

/** What a deploy activates. */
export interface TestRelease {
  readonly name: string;
  readonly handler: Handler;
}

export type TestLimits = TurnsOptions["limits"] & {
  readonly messageBytes: number;
  /** How long a client may take to show something new, once onExpire has asked for it. */
  readonly expireGraceMs: number;
};

export class InMemoryGateway {
  active: TestRelease;
  crashAt: CrashPoint | undefined;
  readonly history = new KeptHistory(() => this.wallClock);
  private readonly locks = new TestLocks();
  private readonly limits: TestLimits;
  private readonly connections = new Map<number, HeldConnection>();
  private readonly workers: TestWorkers;
  private slots = 0;
  private lives = 1;
  private clockMs = 0;
  private onChange: Array<() => void> = [];
  private readonly hooks = new HookDeliveries((connection) => this.deliver(connection));
  private readonly applying = {
    history: this.history,
    locks: this.locks,
    publish: this.publish.bind(this),
    stay: this.stay.bind(this),
    countMessages: this.mayCome.bind(this),
  };

  constructor(release: TestRelease, limits: TestLimits, appOf: (release: string) => App) {
    this.active = release;
    this.limits = limits;
    const onThrown: TurnsOptions["onThrown"] = (mailbox, error) => this.connectionOf(mailbox)?.errors.push(error);
    this.workers = new TestWorkers({ limits, appOf, onThrown, locks: this.locks, now: () => this.clockMs });
    this.workers.start(release.name);
  }

  /** Another one with each life. */
  get name(): string {
    return `test${this.lives}`;
  }

  get open(): readonly HeldConnection[] {
    return [...this.connections.values()].filter(({ closed }) => closed === undefined);
  }

  /** @returns the connection, and when its onOpen has committed. */
  connect(admission: Admission): { connection: HeldConnection; opened: Promise<void> } {
    const connection = new HeldConnection(this.name, this.slots++, admission);
    this.connections.set(connection.slot, connection);
    const opened = connection.arrive({ type: toWorker.open });
    this.pin(connection);
    return { connection, opened };
  }

  /** @returns a promise of its turn's commit. */
  arrive(connection: HeldConnection, arrival: Arrival): Promise<void> {
    if (arrival.type === toWorker.message && !this.mayCome(connection, 1)) return Promise.resolve();
    if (arrival.type === toWorker.message && connection.heartbeat?.heard(arrival.frame, this.clockMs)) return Promise.resolve();
    if (arrival.type === toWorker.close) connection.closed ??= { code: arrival.code, reason: arrival.reason };
    const settled = connection.arrive(arrival);
    this.deliver(connection);
    return settled;
  }

  /** @returns whether so many messages are within its route's limit: beyond it, it is closed. */
  private mayCome(connection: HeldConnection, messages: number): boolean {
    const { limits } = this.active.handler;
    for (let count = 0; limits !== undefined && count < messages; count++) {
      if (connection.useOne(this.clockMs, limits.messages)) continue;
      this.end(connection, 1008, "rate.sent");
      return false;
    }
    return true;
  }

  publish(topic: string, frame: Frame, { except = [], keep }: Pick<PublishOptions, "except" | "keep"> = {}): void {
    if (keep !== undefined) checkSingle(frame);
    if (keep !== undefined) this.history.keep(topic, frame, keep);
    const subscribers = this.open.filter(({ id, topics }) => topics.has(topic) && !except.includes(id));
    for (const { hooked, frames } of subscribers) if (!hooked.has(topic)) frames.push(...wireFrames(frame));
    // As gateway/event-queues.ts does: none to a handler that has no turns for them.
    const hooked = this.active.handler.onPublish === undefined ? [] : subscribers.filter((connection) => connection.hooked.has(topic));
    for (const single of framesOf(frame)) this.hooks.publish(hooked, topic, single);
  }

  /** Closes a connection for the server, with what waits behind it discarded. */
  end(connection: HeldConnection, code: number, reason: string): void {
    connection.discardMessages();
    if (connection.closed === undefined) void this.arrive(connection, { type: toWorker.close, code, reason });
  }

  advance(ms: number): void {
    const until = this.clockMs + ms;
    for (let due = nextDue(this.open, until); due !== undefined; due = nextDue(this.open, until)) {
      this.clockMs = Math.max(this.clockMs, due.at);
      comeDue(due, this.arriving);
    }
    this.clockMs = until;
    this.locks.sweep(until);
    this.workers.sweep();
    for (const connection of this.open) {
      expire(connection, this.arriving);
      this.moveOn(connection, connection.staysUntil > 0);
    }
  }

  private get arriving(): Arriving {
    const { handler } = this.active;
    return {
      ...{ handler, wallClock: this.wallClock },
      arrive: (connection, arrival) => void this.arrive(connection, arrival),
      end: (connection, code, reason) => this.end(connection, code, reason),
    };
  }

  /** Milliseconds since 1970: the machine's own clock, moved by as much as the test says. */
  get wallClock(): number {
    return Date.now() + this.clockMs;
  }

  /** Why open connections could not go on under a release. */
  faultsUnder({ handler, name }: TestRelease): CodedError[] {
    return this.open.flatMap(({ stored }) => {
      const { state, own } = stored.foundBy(name);
      return pinnedState(handler, state, own).fault ?? [];
    });
  }

  /** Another release takes over: each connection between two of its turns. */
  handOver(next: TestRelease): void {
    this.active = next;
    this.workers.start(next.name);
    for (const connection of this.connections.values()) this.moveOn(connection, false);
  }

  /** To the latest worker, if it may move. @param hasStayed The hand-over has waited for it: a turn under way cannot ask for that again. */
  private moveOn({ mailbox, staysUntil }: HeldConnection, hasStayed: boolean): void {
    if (mailbox === undefined || staysUntil > this.clockMs || this.workers.isLatest(mailbox)) return;
    mailbox.leave(hasStayed);
    this.settle(mailbox);
  }

  /** The worker dies with all that it has in hand; another one of the same release gets it. */
  crash(): void {
    this.workers.replace(this.mailboxes(), this.active.name);
    for (const connection of this.connections.values()) connection.unpin(true);
    // Not within the hook that is dying, whose own code may go on for a while.
    queueMicrotask(() => {
      for (const connection of this.connections.values()) if (!connection.isPinned) this.pin(connection);
    });
  }

  /** The gateway and its worker end without a word, and others begin: what was open is gone. @returns the name that it had. */
  lose(): string {
    const before = this.name;
    this.lives++;
    this.workers.replace(this.mailboxes(), this.active.name);
    for (const connection of this.connections.values()) {
      connection.lose();
      this.locks.ended(connection.id);
    }
    this.connections.clear();
    for (const resolve of this.onChange.splice(0)) resolve();
    return before;
  }

  /** Resolves when every turn has committed and every connection has been handed over. */
  async idle(): Promise<void> {
    while ([...this.connections.values()].some(({ isBusy }) => isBusy)) {
      await new Promise<void>((resolve) => this.onChange.push(resolve));
    }
  }

  private mailboxes(): Mailbox[] {
    return [...this.connections.values()].flatMap(({ mailbox }) => mailbox ?? []);
  }

  private pin(connection: HeldConnection): void {
    const { handler, name } = this.active;
    const found = connection.stored.givenTo(name);
    const { state, isMigrated, fault } = pinnedState(handler, found.state, found.own);
    connection.pin({ gateway: this.seenBy(name), state, isMigrated, fault, handler }, handler.onAdopt !== undefined);
    this.workers.assign(connection.mailbox as Mailbox);
    if (fault !== undefined) {
      connection.errors.push(fault);
      this.end(connection, fault.closeCode, fault.code);
    }
    connection.staysUntil = 0;
    this.deliver(connection);
  }

  /** As turns of this release see the gateway. */
  private seenBy(release: string): TurnGateway {
    return {
      id: this.name,
      isLost: false,
      takesMore: () => true,
      commit: (mailbox, effects, end) => this.commit(mailbox, effects, end, release),
      // A process that has died never hears of it.
      flushed: (mailbox) => (mailbox.isGone ? new Promise(() => undefined) : Promise.resolve()),
      idle: (mailbox) => this.settle(mailbox),
    };
  }

  private deliver(connection: HeldConnection): void {
    const { mailbox } = connection;
    if (connection.deliver() && mailbox !== undefined) this.workers.run(mailbox);
  }

  private commit(mailbox: Mailbox, effects: Effects, end: number, release: string): void {
    const connection = this.connectionOf(mailbox);
    if (connection === undefined) return;
    const isFlush = end === flag.flush;
    if (!isFlush && this.takeCrash("before commit")) return this.crash();
    connection.commits.push(effects.all.map(seenEffect));
    const applying = { ...this.applying, release, now: this.clockMs, wallClock: this.wallClock };
    this.hooks.committing(() => applyEffects(connection, effects.all, applying));
    if (!isFlush) this.locks.committed(connection.id);
    if (isFlush) connection.flushed();
    else connection.committed(this.wallClock + this.limits.expireGraceMs);
    // Its onClose was the last of it.
    if (mailbox.isGone) {
      this.connections.delete(connection.slot);
      this.locks.ended(connection.id);
    }
    const close = effects.all.find(({ type }) => type === toGateway.close);
    if (close !== undefined) this.end(connection, close.extra, bytesOf(close).toString());
    if (this.takeCrash(isFlush ? "after flush" : "after commit")) this.crash();
    this.hooks.deliverAll();
  }

  /** See `conn.stay`. */
  private stay(connection: HeldConnection, ms: number): void {
    if (ms === 0) {
      connection.staysUntil = 0;
      // Once its turn has committed.
      queueMicrotask(() => this.moveOn(connection, true));
    } else if (this.workers.isLatest(connection.mailbox)) connection.staysUntil = this.clockMs + ms;
  }

  // Nothing of the mailbox runs: hands it over if it was asked back.
  private settle(mailbox: Mailbox): void {
    const connection = this.connectionOf(mailbox);
    if (connection !== undefined && mailbox.release()) {
      connection.unpin(false);
      this.pin(connection);
    }
    for (const resolve of this.onChange.splice(0)) resolve();
  }

  /** Undefined where the mailbox is not the connection's own any more: what it says is refused, as a gateway does by epoch. */
  private connectionOf(mailbox: Mailbox): HeldConnection | undefined {
    const connection = this.connections.get(mailbox.pin.slot);
    return connection?.mailbox === mailbox && connection.isPinned ? connection : undefined;
  }

  private takeCrash(point: CrashPoint): boolean {
    if (this.crashAt !== point) return false;
    this.crashAt = undefined;
    return true;
  }
}
