// One call of a hook: the `turn` that it is handed, and what it has asked for until it commits. Its `conn`: turn-connection.ts.

import { packValue } from "../protocol/msgpack.ts";
import { type IdentityBody, toGateway, toWorker } from "../protocol/records.ts";
import { Effects } from "./effects.ts";
import type { App, Turn } from "./handler.ts";
import type { Mailbox, MailboxEvent } from "./mailbox.ts";
import { ownCopy } from "./read-only.ts";
import type { MeasuredTurn } from "./turn-meter.ts";
import { TurnTimers } from "./turn-timers.ts";
import { TurnTopics } from "./turn-topics.ts";

export type HookName = "onOpen" | "onMessage" | "on" | "onClose" | "onAdopt" | "onExpire" | "onTimer" | "onPublish" | "onError";

/** What a record has room for. */
const mostCounted = 0xffff;

export interface TurnLimits {
  readonly effectsBytes: number;
  readonly topicsPerConnection: number;
  readonly timersPerConnection: number;
  readonly turnTimeoutMs: number;
}

/** What a turn needs of what runs it. */
export interface TurnHost {
  readonly release: string;
  readonly app: App;
  readonly limits: TurnLimits;
  /** Of all gateways: see Gateways. */
  readonly minLevel: number;
  /** Takes a lock for a connection. @returns its fence; undefined: others have it. */
  lock(connection: string, name: string, waitMs: number): Promise<number | undefined>;
  /** Commits what has been asked for so far. Resolves when the gateway has applied it. */
  flush(turn: RunningTurn): Promise<void>;
}

export class RunningTurn implements Turn, MeasuredTurn {
  readonly mailbox: Mailbox;
  readonly event: MailboxEvent;
  readonly effects: Effects;
  readonly redelivered: boolean;
  readonly release: string;
  readonly host: TurnHost;
  /** Flushes of this turn's own run, on top of those of workers that died. */
  flushes = 0;
  /** As it was, or as the turn has set it. */
  state: unknown;
  stateIsSet = false;
  /** What the turn has found out of who the client is, and for how long. */
  identity: IdentityBody | undefined;
  private shownState: unknown;
  closing: { readonly code: number; readonly reason: string } | undefined;
  /** For how long the connection is to stay with this worker; undefined: the turn says nothing of it. */
  stayMs: number | undefined;
  /** Its socket is to be another connection's. */
  moves = false;
  isOver = false;
  /** As far as no flush has taken them. */
  counted = 0;
  startedAt = 0;
  weight = 0;
  private controller: AbortController | undefined;
  /** Made when the hook asks for it: most turns do not. */
  private ownTopics: TurnTopics | undefined;
  private ownHooked: TurnTopics | undefined;
  private ownTimers: TurnTimers | undefined;
  /** What it has told of the connection as a member, by topic. */
  memberInfo: Map<string, unknown> | undefined;
  /** Topics that it has left: what its gateway still tells of the connection as their member is over. */
  left: Set<string> | undefined;

  constructor(host: TurnHost, mailbox: Mailbox, event: MailboxEvent) {
    this.host = host;
    this.mailbox = mailbox;
    this.event = event;
    this.effects = new Effects(host.limits.effectsBytes);
    this.redelivered = event.redelivered;
    this.release = host.release;
    this.state = mailbox.state;
    if (event.counted !== undefined) this.countMessages(event.counted);
  }

  get id(): string {
    const { pin, next } = this.mailbox;
    if (this.event.type === toWorker.adopt) return `${pin.id}:adopt-${pin.epoch}`;
    if (this.event.type === toWorker.timer) return `${pin.id}:timer-${this.event.number}`;
    if (this.event.type === toWorker.published) return `${pin.id}:published-${this.event.number}`;
    return this.event.type === toWorker.expire ? `${pin.id}:expire-${this.event.expiresAt}` : `${pin.id}:${next}`;
  }

  get flushed(): number {
    return this.event.flushed + this.flushes;
  }

  get app(): App {
    return this.host.app;
  }

  /** As they were, or as the turn has changed them. */
  get topics(): TurnTopics {
    this.ownTopics ??= new TurnTopics(this.mailbox.topics);
    return this.ownTopics;
  }

  /** Whether the messages of a topic are the handler's. Nothing is made for it where none ever are. */
  isHooked(topic: string): boolean {
    return this.usesHooks && this.hooked.has(topic);
  }

  setHooked(topic: string, hook: boolean): void {
    if (hook) this.hooked.add(topic);
    else if (this.usesHooks) this.hooked.delete(topic);
  }

  private get usesHooks(): boolean {
    return this.ownHooked !== undefined || this.mailbox.usesHooks;
  }

  private get hooked(): TurnTopics {
    this.ownHooked ??= new TurnTopics(this.mailbox.hooked);
    return this.ownHooked;
  }

  /** As they were, or as the turn has changed them. */
  get timers(): TurnTimers {
    this.ownTimers ??= new TurnTimers(this.mailbox.timers, this.event.type === toWorker.timer ? this.event.number : undefined);
    return this.ownTimers;
  }

  get signal(): AbortSignal {
    this.controller ??= new AbortController();
    if (this.isOver) this.controller.abort();
    return this.controller.signal;
  }

  /**
   * The state for the hook to look at.
   * @throws the pin's fault, where the turn has set none: what is stored is nothing that the hook's type tells of.
   */
  showState(): unknown {
    const { fault } = this.mailbox.pin;
    if (fault !== undefined && this.state === undefined) throw fault;
    this.shownState ??= ownCopy(this.state);
    return this.shownState;
  }

  /** @param next a `readOnlyCopy` */
  setState(next: unknown): void {
    this.state = next;
    this.stateIsSet = true;
    this.shownState = undefined;
  }

  /** What was found out of the client becomes an effect. @throws {CodedError} "effects.tooLarge" */
  storeIdentity(): void {
    // A gateway that tells of no expiry does not know the record.
    if (this.identity === undefined || this.mailbox.pin.expiresAt === undefined) return;
    this.effects.add(toGateway.identity, packValue(this.identity));
  }

  private settleIdentity(): void {
    const { identity, mailbox } = this;
    if (identity === undefined) return;
    mailbox.user = identity.user ?? mailbox.user;
    mailbox.expiresAt = identity.expiresAt ?? mailbox.expiresAt;
    this.identity = undefined;
  }

  /** @param more 1 to 65,535. @throws {CodedError} "effects.tooLarge" */
  countMessages(more: number): void {
    this.effects.add(toGateway.countMessages, "", 0, more);
    this.counted = Math.min(this.counted + more, mostCounted);
  }

  /** Whatever the hook still does has no effect. */
  end(reason?: Error): void {
    this.isOver = true;
    if (reason !== undefined) this.controller?.abort(reason);
  }

  /** What it has made of its connection holds for the turns that follow. */
  settle(): void {
    this.mailbox.state = this.state;
    this.commitTopics();
    this.ownTimers?.commit();
    this.settleIdentity();
  }

  /** What was committed by a flush stays, also when the turn throws later. */
  settleFlush(): void {
    this.effects.clear();
    this.settle();
    this.stateIsSet = false;
    this.counted = 0;
    this.flushes++;
  }

  private commitTopics(): void {
    this.ownTopics?.commit();
    this.ownHooked?.commit();
    for (const topic of this.left ?? []) this.mailbox.memberInfo?.delete(topic);
    for (const [topic, info] of this.memberInfo ?? []) {
      this.mailbox.memberInfo ??= new Map();
      this.mailbox.memberInfo.set(topic, info);
    }
    this.left = this.memberInfo = undefined;
  }
}
