// Applies what turns ask for. A turn's effects come as one group of records that ends with its commit, or with a flush; the
// group is applied to one connection in one go, under one cork, or not at all.

import type { Batch } from "../protocol/envelope.ts";
import { decodePublish, decodeSetTimer } from "../protocol/payloads.ts";
import { flag, type IdentityBody, parseIdentity, toGateway, toWorker } from "../protocol/records.ts";
import { decodeTogether } from "../protocol/together.ts";
import { isCorked, isOfPin, type KeptSubscription, keptOf, keptSubscriptions, more, needsQuota, type Run, topicsOf } from "./commit-run.ts";
import { type Connection, ownerOf } from "./connection.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Heartbeats } from "./heartbeats.ts";
import type { Locks } from "./locks/locks.ts";
import type { Granted, PacedInterest } from "./paced-interest.ts";
import type { SessionMoves } from "./sessions/session-moves.ts";
import type { Timers } from "./timers.ts";
import { sendFrames } from "./together.ts";
import { TopicEffects, type TopicEffectsOptions } from "./topic-effects.ts";
import type { WorkerPeer } from "./worker-peer.ts";

export interface CommitsOptions extends TopicEffectsOptions {
  /** By slot. */
  readonly connections: ReadonlyArray<Connection | undefined>;
  readonly dispatcher: Dispatcher;
  readonly interest: PacedInterest;
  /** A bug met this connection: it is closed with 1011, no other notices. */
  readonly onBug: (connection: Connection, error: unknown) => void;
  /** A turn has found out who the client is, or for how long. */
  readonly onIdentity: (connection: Connection, identity: IdentityBody) => void;
  /** Messages of its client held so many more. Not under a cork: that may close it. */
  readonly onMessages: (connection: Connection, more: number) => void;
  /** There is no room for its topics: it is closed, and what its turn asks for besides goes on. */
  readonly onTooManyTopics: (connection: Connection) => void;
  readonly timers: Timers;
  readonly sessions: () => Pick<SessionMoves, "pause" | "move">;
  readonly heartbeats: Pick<Heartbeats, "set">;
  readonly locks: Pick<Locks, "size" | "keep" | "release" | "commit">;
  /** There is no room for its timers, or for what it tells as a member: as for topics. */
  readonly onNoRoom: (connection: Connection, code: "timers.total" | "members.total" | "history.total") => void;
  /** A worker of this release closes a connection for an error, with this close code. */
  readonly onError: (code: string, closeCode: number, release: string) => void;
}

/** RFC 6455, 7.4.2: below it a handler may use nothing but 1000, so what comes with one of those is an error's code. */
const leastOwnCloseCode = 3_000;

export class Commits {
  readonly counters = { commits: 0, refused: 0, messagesOut: 0, bytesOut: 0, unknownEffects: 0 };
  private readonly options: CommitsOptions;
  private readonly topicEffects: TopicEffects;

  constructor(options: CommitsOptions) {
    this.options = options;
    this.topicEffects = new TopicEffects(options);
  }

  /**
   * Applies the records from `index` on that belong to one pin.
   * @returns the index behind them.
   */
  apply(worker: WorkerPeer, batch: Batch, index: number): number {
    const slot = batch.slot(index);
    const epoch = batch.epoch(index);
    let to = index + 1;
    while (to < batch.records && batch.slot(to) === slot && batch.epoch(to) === epoch && isOfPin(batch.type(to))) to++;
    const connection = this.options.connections[slot];
    const run: Run = { worker, batch, from: index, to, hasAsked: false, moreMessages: 0 };
    if (connection === undefined) this.refuse(run);
    else this.take(connection, run);
    return to;
  }

  private take(connection: Connection, run: Run): void {
    if (connection.held === undefined) this.begin(connection, run);
    else connection.held.push(() => this.begin(connection, run));
  }

  /** @returns whether it has to wait first; then it is the first that is held back. */
  private begin(connection: Connection, run: Run): boolean {
    if (connection.worker !== run.worker || connection.epoch !== run.batch.epoch(run.from)) {
      this.refuse(run);
      return false;
    }
    try {
      // Most turns only send, publish or set a state: their records are looked at once.
      if (needsQuota(run)) {
        if (this.waitsForInterest(connection, run)) return true;
        this.checkRoom(connection, run);
      }
      this.applyNow(connection, run);
    } catch (error) {
      this.options.onBug(connection, error);
    }
    return false;
  }

  // A turn that has flushed waits for an answer.
  private refuse({ worker, batch, from, to }: Run): void {
    this.counters.refused++;
    for (let index = from; index < to; index++) {
      if ((batch.flags(index) & flag.flush) === 0) continue;
      worker.link.appendEmpty({ type: toWorker.refused, flags: 0, extra: 0, slot: batch.slot(index), epoch: batch.epoch(index) });
      return;
    }
  }

  // The sends of a turn that subscribes leave only when NATS has the subscription; so does everything after it.
  private waitsForInterest(connection: Connection, run: Run): boolean {
    if (run.hasAsked) return false;
    const topics = topicsOf(run);
    if (topics.length === 0 || connection.socket === undefined) return false;
    run.hasAsked = true;
    const { interest, onTooManyTopics } = this.options;
    const asked = interest.ask(topics, connection.topics?.size ?? 0, () => connection.socket !== undefined, ownerOf(connection));
    if (asked === "refused") onTooManyTopics(connection);
    const kept = keptOf(run);
    if (asked === "refused" || (asked === "ready" && kept.length === 0)) return false;
    connection.held ??= [];
    connection.held.unshift(() => this.begin(connection, run));
    void this.prepare(connection, asked, kept).then(() => this.applyHeld(connection));
    return true;
  }

  /** What was wanted here is released when the run has been applied, and thereby wanted for good. */
  private async prepare(connection: Connection, asked: "ready" | Promise<Granted>, kept: readonly KeptSubscription[]): Promise<void> {
    const { interest, onTooManyTopics } = this.options;
    if (asked !== "ready") {
      const { isRefused, wanted } = await asked;
      afterHeld(connection, () => interest.release(wanted));
      if (isRefused) return onTooManyTopics(connection);
    }
    if (kept.length > 0) afterHeld(connection, await this.topicEffects.load(connection, kept));
  }

  // Before anything of the turn is applied, since it closes the connection.
  private checkRoom(connection: Connection, { batch, from, to }: Run): void {
    const { members, timers, history, onNoRoom } = this.options;
    const told = new Map<string, number>();
    const names = new Set<string>();
    let keeps = false;
    for (let index = from; index < to; index++) {
      const type = batch.type(index);
      if (type === toGateway.timer) names.add(decodeSetTimer(batch.payload(index)).name);
      else if (type === toGateway.member) {
        const { topic, data } = decodePublish(batch.payload(index));
        told.set(topic, data.length);
      } else keeps ||= type === toGateway.publishKept;
    }
    const owner = ownerOf(connection);
    // It is kept all the same: its turn has committed.
    if (keeps && !history.outbox.hasRoom(owner)) onNoRoom(connection, "history.total");
    if (names.size > 0 && !timers.hasRoom(connection, names, owner)) onNoRoom(connection, "timers.total");
    if (told.size > 0 && !members.hasRoom(connection, told, owner)) onNoRoom(connection, "members.total");
  }

  // What is held back stays so until all of it is done: what comes meanwhile comes behind it.
  private applyHeld(connection: Connection): void {
    const held = connection.held ?? [];
    for (let action = held.shift(); action !== undefined; action = held.shift()) if (action()) return;
    connection.held = undefined;
    this.options.dispatcher.unheld(connection);
  }

  private applyNow(connection: Connection, run: Run): void {
    const { socket } = connection;
    let next = run.from;
    // A single record is a single write anyway.
    if (socket !== undefined && run.to - run.from > 1) {
      socket.cork(() => {
        next = this.applyRecords(connection, run, next, isCorked);
      });
    }
    // They may be too many, and that closes it: before its own turn does, since then the fault would not count.
    if (run.moreMessages > 0) this.options.onMessages(connection, more(run));
    this.applyRecords(connection, run, next);
    if (run.moreMessages > 0) this.options.onMessages(connection, more(run));
    // Between two turns.
    if ((run.batch.flags(run.to - 1) & flag.commit) !== 0) this.options.dispatcher.applied(connection);
  }

  /** @returns the index behind the last one that it applied: of the first record whose type may not be, or the run's end. */
  private applyRecords(connection: Connection, run: Run, from: number, mayApply = (_type: number) => true): number {
    const { batch, to, worker } = run;
    for (let index = from; index < to; index++) {
      if (!mayApply(batch.type(index))) return index;
      const flags = batch.flags(index);
      if (batch.type(index) === toGateway.released) this.released(connection, flags, worker);
      else if (batch.type(index) === toGateway.countMessages) run.moreMessages += batch.extra(index);
      else this.applyEffect(connection, batch, index, worker.release);
      if ((flags & flag.commit) !== 0) {
        this.counters.commits++;
        if (this.options.locks.size > 0) this.options.locks.commit(connection.id);
        this.options.dispatcher.committed(connection);
      } else if ((flags & flag.flush) !== 0) this.flushed(connection, worker);
    }
    return to;
  }

  private applyEffect(connection: Connection, batch: Batch, index: number, release: string): void {
    const isBinary = (batch.flags(index) & flag.binary) !== 0;
    switch (batch.type(index)) {
      case toGateway.send:
        this.send(connection, batch.view(index), isBinary);
        return;
      case toGateway.publish:
        return this.topicEffects.publish(connection, batch.payload(index), isBinary, (batch.flags(index) & flag.self) !== 0);
      case toGateway.publishExcept:
        return this.topicEffects.publishExcept(connection, batch.payload(index), isBinary, (batch.flags(index) & flag.self) !== 0);
      case toGateway.publishTogether:
        return this.topicEffects.publishTogether(connection, batch.payload(index), (batch.flags(index) & flag.self) !== 0);
      case toGateway.sendTogether:
        return this.sendTogether(connection, batch.view(index));
      case toGateway.publishKept:
        return this.topicEffects.publishKept(connection, batch.payload(index), isBinary, (batch.flags(index) & flag.self) !== 0);
      case toGateway.subscribeLast:
      case toGateway.subscribeAfter:
        return this.topicEffects.subscribeKept(connection, keptSubscriptions(batch, index));
      case toGateway.subscribe:
        return this.topicEffects.subscribe(connection, batch.text(index));
      case toGateway.subscribeHook:
        return this.topicEffects.subscribeHook(connection, batch.text(index));
      case toGateway.member:
        return this.topicEffects.member(connection, batch.payload(index));
      case toGateway.unsubscribe:
        return this.topicEffects.unsubscribe(connection, batch.text(index));
      case toGateway.state: {
        const state = batch.view(index);
        const isMigrated = (batch.flags(index) & flag.migrated) !== 0;
        connection.state.set(state.length === 0 ? undefined : new Uint8Array(state), release, isMigrated);
        return;
      }
      case toGateway.close:
        this.options.dispatcher.closing(connection);
        this.close(connection, { code: batch.extra(index), reason: batch.text(index), release });
        return;
      case toGateway.timer:
        return this.options.timers.set(connection, decodeSetTimer(batch.payload(index)), ownerOf(connection));
      case toGateway.noTimer:
        return this.options.timers.clear(connection, batch.text(index));
      case toGateway.heartbeat:
        return this.options.heartbeats.set(connection, batch.payload(index));
      case toGateway.keepLock:
        return this.options.locks.keep(connection.id, batch.text(index));
      case toGateway.unlock:
        return this.options.locks.release(connection.id, batch.text(index));
      case toGateway.identity:
        return this.options.onIdentity(connection, parseIdentity(batch.payload(index)));
      case toGateway.stay:
        return this.options.dispatcher.stay(connection, batch.extra(index));
      case toGateway.pauseSession:
        return this.options.sessions().pause(connection, batch.text(index));
      case toGateway.moveToSession:
        return this.options.sessions().move(connection);
      case toGateway.nothing:
        return;
      default:
        this.counters.unknownEffects++;
    }
  }

  private close({ socket }: Connection, { code, reason, release }: { code: number; reason: string; release: string }): void {
    if (socket === undefined) return;
    if (code !== 1000 && code < leastOwnCloseCode) this.options.onError(reason, code, release);
    socket.end(code, reason);
  }

  private send({ socket }: Connection, payload: Uint8Array, isBinary: boolean): void {
    if (socket === undefined) return;
    this.counters.messagesOut++;
    this.counters.bytesOut += payload.length;
    socket.send(payload, isBinary);
  }

  private sendTogether({ socket }: Connection, payload: Uint8Array): void {
    if (socket === undefined) return;
    this.counters.messagesOut++;
    this.counters.bytesOut += payload.length;
    sendFrames(socket, decodeTogether(payload));
  }

  private released(connection: Connection, flags: number, { id }: WorkerPeer): void {
    if ((flags & flag.broken) !== 0) throw new Error(`worker ${id} has met a bug with it: see its log`);
    this.options.dispatcher.released(connection);
  }

  private flushed(connection: Connection, worker: WorkerPeer): void {
    this.counters.commits++;
    const [event] = connection.events;
    if (event !== undefined) event.flushed = Math.min(event.flushed + 1, 0xffff);
    worker.link.appendEmpty({ type: toWorker.flushed, flags: 0, extra: 0, slot: connection.slot, epoch: connection.epoch });
  }
}

/** Runs an action once no commit of the connection is held back. */
export function afterHeld(connection: Connection, action: () => void): void {
  if (connection.held === undefined) return action();
  connection.held.push(() => {
    action();
    return false;
  });
}
