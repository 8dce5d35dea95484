// One connection as a gateway would keep it, in memory: its thin state, its events that no turn has committed yet, and
// what its client has got so far.

import { connectionId } from "../../protocol/connection-id.ts";
import { KeptState } from "../../protocol/kept-state.ts";
import { gatewayLevel } from "../../protocol/level.ts";
import { type MessageRate, useOne } from "../../protocol/message-rate.ts";
import { flag, isCounted, toWorker } from "../../protocol/records.ts";
import type { Effect, Frame } from "../effects.ts";
import type { HandlerError, Member } from "../handler.ts";
import { Mailbox, type MailboxEvent, type MailboxOptions } from "../mailbox.ts";
import { ReceivedMessage } from "../message.ts";
import type { HeldHeartbeat } from "./held-heartbeat.ts";
import { bytesOf, type TestEffect, type TestFrame, wireFrames } from "./seen.ts";

/** Who connects, once the upgrade has been granted. */
export type Admission = Pick<MailboxOptions, "path" | "params" | "query" | "ip" | "user" | "subprotocol" | "expiresAt"> & {
  /** msgpack. */
  readonly stored: Uint8Array | undefined;
};

/** What happens to a connection, before it is delivered. */
export type Arrival =
  | { readonly type: typeof toWorker.open | typeof toWorker.adopt }
  | { readonly type: typeof toWorker.message; readonly frame: Frame }
  | { readonly type: typeof toWorker.expire; readonly expiresAt: number }
  | { readonly type: typeof toWorker.timer; readonly name: string; readonly number: number }
  | { readonly type: typeof toWorker.published; readonly topic: string; readonly number: number; readonly frame: Frame }
  | { readonly type: typeof toWorker.close; readonly code: number; readonly reason: string };

interface HeldEvent {
  readonly arrival: Arrival;
  redelivered: boolean;
  flushed: number;
  /** Its turn has committed, or it was discarded because the connection closed before. */
  readonly onSettled: () => void;
}

export class HeldConnection {
  readonly gateway: string;
  readonly slot: number;
  readonly admission: Admission;
  readonly frames: TestFrame[] = [];
  /** What each commit made happen, flushes included. */
  readonly commits: TestEffect[][] = [];
  /** What its turns were rolled back for. */
  readonly errors: HandlerError[] = [];
  readonly topics = new Set<string>();
  /** Those of them whose messages are the handler's. */
  readonly hooked = new Set<string>();
  /** What is told of it, by topic. */
  readonly members = new Map<string, { readonly info: string; readonly since: number }>();
  /** By name; `at` by the test's clock, undefined once its event was made. */
  readonly timers = new Map<string, { readonly number: number; at: number | undefined }>();
  lastTimer = 0;
  heartbeat: HeldHeartbeat | undefined;
  readonly stored: KeptState;
  user: string | undefined;
  /** Milliseconds since 1970; 0: never. */
  expiresAt: number;
  /** Whether its handler was told that this time has come; and when the answer must be there: 0 until that turn has committed. */
  isAsked = false;
  answerBy = 0;
  /** Until then a deploy leaves it where it is, by the test's clock: see `conn.stay`. */
  staysUntil = 0;
  /** Until when what its client has sent uses up what its route allows. */
  private usedUntil = 0;
  /** How the client saw it end. */
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** The last one that it was pinned to; where `isPinned` is false, that worker is dead or has given it back. */
  mailbox: Mailbox | undefined;
  isPinned = false;
  private readonly events: HeldEvent[] = [];
  /** So many of `events`, from the first, are with the worker. */
  private delivered = 0;
  /** The number of the first of `events`, as turn ids count them. */
  private firstEvent = 0;
  private epoch = 0;

  constructor(gateway: string, slot: number, admission: Admission) {
    this.gateway = gateway;
    this.slot = slot;
    this.admission = admission;
    this.stored = new KeptState(admission.stored);
    this.user = admission.user;
    this.expiresAt = admission.expiresAt ?? 0;
  }

  get id(): string {
    return connectionId(this.gateway, this.slot, 1);
  }

  get hasOpened(): boolean {
    return this.firstEvent > 0;
  }

  /** Whether anything of it still has to happen. */
  get isBusy(): boolean {
    return this.events.length > 0 || !this.isPinned;
  }

  /** @param latest What it gets first. */
  subscribe({ topic, hook }: { topic: string; hook?: true }, latest: readonly Frame[]): void {
    if (hook) this.hooked.add(topic);
    else this.hooked.delete(topic);
    if (this.topics.has(topic)) return;
    this.topics.add(topic);
    this.frames.push(...latest.flatMap(wireFrames));
  }

  setState(effect: Effect, release: string): void {
    const state = effect.bytes === 0 ? undefined : new Uint8Array(bytesOf(effect));
    this.stored.set(state, release, (effect.flags & flag.migrated) !== 0);
  }

  identify(found: TestEffect & { type: "identify" }): void {
    this.user = found.user ?? this.user;
    if ("expiresAt" in found) this.setExpiresAt(found.expiresAt?.getTime() ?? 0);
  }

  /** @returns a promise of its turn's commit. */
  arrive(arrival: Arrival): Promise<void> {
    return new Promise((onSettled) => this.events.push({ arrival, redelivered: false, flushed: 0, onSettled }));
  }

  /**
   * Gives the worker what it has not been given yet.
   * @returns whether there is a worker; one that is giving the connection back leaves it alone.
   */
  deliver(): boolean {
    const { mailbox } = this;
    if (mailbox === undefined || !this.isPinned) return false;
    for (; this.delivered < this.events.length; this.delivered++) {
      mailbox.push(mailboxEventOf(this.events[this.delivered] as HeldEvent));
    }
    return true;
  }

  /** A worker gets it. @param adopts whether that one wants to hear of connections that opened elsewhere. */
  pin(options: Pick<MailboxOptions, "gateway" | "state" | "isMigrated" | "fault" | "handler">, adopts: boolean): void {
    this.epoch++;
    this.mailbox = new Mailbox({
      ...options,
      ...this.admission,
      id: this.id,
      slot: this.slot,
      epoch: this.epoch,
      topics: new Set(this.topics),
      hooked: [...this.hooked],
      user: this.user,
      expiresAt: this.expiresAt,
      level: gatewayLevel,
      timers: [...this.timers].map(([name, { number }]) => [name, number] as const),
      lastTimer: this.lastTimer,
      next: this.firstEvent,
    });
    this.isPinned = true;
    if (!adopts || !this.hasOpened) return;
    this.events.unshift({ arrival: { type: toWorker.adopt }, redelivered: false, flushed: 0, onSettled: () => undefined });
  }

  /** No worker has it any more. @param isDead whether the one that had it died, with all that it had been given. */
  unpin(isDead: boolean): void {
    this.isPinned = false;
    const returned = this.events.splice(0, this.delivered).filter(({ arrival }) => arrival.type !== toWorker.adopt);
    if (isDead) for (const event of returned) event.redelivered = true;
    this.events.unshift(...returned);
    this.delivered = 0;
  }

  /** The first event's turn has committed a part of its effects. */
  flushed(): void {
    const [event] = this.events;
    if (event !== undefined) event.flushed++;
  }

  /** Its client sends a message. @returns false where that is too much. */
  useOne(now: number, rate: MessageRate): boolean {
    const usedUntil = useOne(this.usedUntil, now, rate);
    this.usedUntil = usedUntil ?? this.usedUntil;
    return usedUntil !== undefined;
  }

  /** @param expiresAt Another time than before: that one does not count any more. */
  setExpiresAt(expiresAt: number): void {
    this.expiresAt = expiresAt;
    this.isAsked = false;
    this.answerBy = 0;
  }

  /** The first event's turn has committed. @param answerBy When the client has to have shown something new, if it was asked just now. */
  committed(answerBy: number): void {
    const event = this.events.shift();
    if (event === undefined) return;
    this.delivered--;
    const { type } = event.arrival;
    if (type === toWorker.expire && this.isAsked) this.answerBy = answerBy;
    if (event.arrival.type === toWorker.timer && this.timers.get(event.arrival.name)?.number === event.arrival.number)
      this.timers.delete(event.arrival.name);
    if (isCounted(type)) this.firstEvent++;
    event.onSettled();
  }

  /** Its gateway has ended, and its worker: nothing of it happens any more. */
  lose(): void {
    this.closed ??= { code: 1006, reason: "" };
    for (const { onSettled } of this.events.splice(0)) onSettled();
    this.delivered = 0;
    this.isPinned = false;
  }

  /** @param now By the test's clock. */
  setTimer({ ms, number, name }: { ms: number; number: number; name: string }, now: number): void {
    this.lastTimer = number;
    if (this.closed === undefined) this.timers.set(name, { number, at: now + ms });
  }

  memberOf(topic: string): Member | undefined {
    const told = this.members.get(topic);
    if (told === undefined) return undefined;
    const { id, gateway, user } = this;
    return { id, gateway, user, info: JSON.parse(told.info), since: new Date(told.since), connections: 1 };
  }

  leave(topic: string): void {
    this.topics.delete(topic);
    this.hooked.delete(topic);
    this.members.delete(topic);
  }

  /** @param told JSON. @param now Milliseconds since 1970. */
  setMember(topic: string, told: Frame, now: number): void {
    if (this.closed !== undefined || !this.topics.has(topic)) return;
    this.members.set(topic, { info: bytesOf(told).toString(), since: this.members.get(topic)?.since ?? now });
  }

  /** What waits behind a close is not handled any more. */
  discardMessages(): void {
    const delivered = this.delivered;
    this.delivered = 0;
    for (const [index, event] of this.events.splice(0).entries()) {
      if (event.arrival.type === toWorker.message || !isCounted(event.arrival.type)) {
        event.onSettled();
        continue;
      }
      this.events.push(event);
      if (index < delivered) this.delivered++;
    }
  }
}

// Made anew for each delivery: a worker that died has had its own.
function mailboxEventOf({ arrival, redelivered, flushed }: HeldEvent): MailboxEvent {
  if (!("frame" in arrival)) return { ...arrival, redelivered, flushed };
  const { frame, ...rest } = arrival;
  const message = new ReceivedMessage(Buffer.from(bytesOf(frame)), (frame.flags & flag.binary) !== 0);
  return { ...rest, message, redelivered, flushed };
}
