// One call of a hook: the `conn` and the `turn` that it is handed, and what it has asked for until it commits.

import { gatewayOf } from "../protocol/connection-id.ts";
import { CodedError } from "../protocol/errors.ts";
import { needLevel } from "../protocol/level.ts";
import { packValue } from "../protocol/msgpack.ts";
import { flag, type IdentityBody, toGateway, toWorker } from "../protocol/records.ts";
import { checkTopic } from "../protocol/subjects.ts";
import { checkExcept, Effects, type Frame, frameOf, publishExceptPayload, publishPayload } from "./effects.ts";
import type { App, Connection, PublishOptions, Query, Sendable, Turn } from "./handler.ts";
import { checkUser, expiryTime } from "./identity.ts";
import type { Mailbox, MailboxEvent } from "./mailbox.ts";
import { ownCopy, readOnlyCopy } from "./read-only.ts";
import type { MeasuredTurn } from "./turn-meter.ts";
import { TurnTopics } from "./turn-topics.ts";

export type HookName = "onOpen" | "onMessage" | "onClose" | "onAdopt" | "onExpire" | "onError";

export interface TurnLimits {
  readonly effectsBytes: number;
  readonly topicsPerConnection: number;
  readonly turnTimeoutMs: number;
}

/** What a turn needs of what runs it. */
export interface TurnHost {
  readonly release: string;
  readonly app: App;
  readonly limits: TurnLimits;
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
  isOver = false;
  startedAt = 0;
  weight = 0;
  private controller: AbortController | undefined;
  /** Made when the hook asks for it: most turns do not. */
  private ownTopics: TurnTopics | undefined;

  constructor(host: TurnHost, mailbox: Mailbox, event: MailboxEvent) {
    this.host = host;
    this.mailbox = mailbox;
    this.event = event;
    this.effects = new Effects(host.limits.effectsBytes);
    this.redelivered = event.redelivered;
    this.release = host.release;
    this.state = mailbox.state;
  }

  get id(): string {
    const { pin, next } = this.mailbox;
    if (this.event.type === toWorker.adopt) return `${pin.id}:adopt-${pin.epoch}`;
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

  /** It holds for the turns that follow. */
  settleIdentity(): void {
    const { identity, mailbox } = this;
    if (identity === undefined) return;
    mailbox.user = identity.user ?? mailbox.user;
    mailbox.expiresAt = identity.expiresAt ?? mailbox.expiresAt;
    this.identity = undefined;
  }

  /** Whatever the hook still does has no effect. */
  end(reason?: Error): void {
    this.isOver = true;
    if (reason !== undefined) this.controller?.abort(reason);
  }

  /** What was committed by a flush stays, also when the turn throws later. */
  settleFlush(): void {
    this.effects.clear();
    this.mailbox.state = this.state;
    this.commitTopics();
    this.settleIdentity();
    this.stateIsSet = false;
    this.flushes++;
  }

  commitTopics(): void {
    this.ownTopics?.commit();
  }
}

/** The `conn` of one turn. */
export class TurnConnection implements Connection {
  readonly #turn: RunningTurn;

  constructor(turn: RunningTurn) {
    this.#turn = turn;
  }

  get id(): string {
    return this.#open().mailbox.pin.id;
  }

  get gateway(): string {
    return gatewayOf(this.id);
  }

  get user(): string | undefined {
    const { identity, mailbox } = this.#open();
    return identity?.user ?? mailbox.user;
  }

  get expiresAt(): Date | undefined {
    const { identity, mailbox } = this.#open();
    const at = identity?.expiresAt ?? mailbox.expiresAt;
    return at === 0 ? undefined : new Date(at);
  }

  get path(): string {
    return this.#open().mailbox.pin.path;
  }

  get params(): Readonly<Record<string, string>> {
    return this.#open().mailbox.pin.params;
  }

  get query(): Query {
    return this.#open().mailbox.pin.query;
  }

  get ip(): string {
    return this.#open().mailbox.pin.ip;
  }

  get subprotocol(): string {
    return this.#open().mailbox.pin.subprotocol;
  }

  get state(): unknown {
    return this.#open().showState();
  }

  get topics(): ReadonlySet<string> {
    return this.#open().topics.all;
  }

  send(data: Sendable): void {
    const turn = this.#open();
    const { payload, flags } = frameOf(data);
    turn.effects.add(toGateway.send, payload, flags);
  }

  publish(topic: string, data: Sendable, options?: PublishOptions): void {
    const turn = this.#open();
    checkTopic(topic);
    const frame: Frame = frameOf(data);
    const flags = frame.flags | (options?.self ? flag.self : 0);
    const except = options?.except;
    if (except === undefined || except.length === 0) return turn.effects.add(toGateway.publish, publishPayload(topic, frame), flags);
    needLevel(turn.mailbox.pin.level, 1, "conn.publish with except");
    turn.effects.add(toGateway.publishExcept, publishExceptPayload(topic, frame, checkExcept(except)), flags);
  }

  subscribe(topic: string): void {
    const turn = this.#open();
    checkTopic(topic);
    if (turn.topics.has(topic)) return;
    const limit = turn.host.limits.topicsPerConnection;
    if (turn.topics.size >= limit)
      throw new CodedError("topics.tooMany", `a connection has at most ${limit} topics (TOPICS_PER_CONNECTION)`);
    turn.effects.add(toGateway.subscribe, topic);
    turn.topics.add(topic);
  }

  unsubscribe(topic: string): void {
    const turn = this.#open();
    checkTopic(topic);
    if (!turn.topics.has(topic)) return;
    turn.effects.add(toGateway.unsubscribe, topic);
    turn.topics.delete(topic);
  }

  setState(next: unknown): void {
    const turn = this.#open();
    turn.setState(readOnlyCopy(next));
  }

  setUser(user: string): void {
    const turn = this.#open();
    turn.identity = { ...turn.identity, user: checkUser(user) };
  }

  setExpiresAt(at: Date | undefined): void {
    const turn = this.#open();
    turn.identity = { ...turn.identity, expiresAt: expiryTime(at) };
  }

  close(code = 1000, reason = ""): void {
    const turn = this.#open();
    checkClose(code, reason);
    turn.closing ??= { code, reason };
  }

  async flush(): Promise<void> {
    const turn = this.#open();
    await turn.host.flush(turn);
  }

  #open(): RunningTurn {
    if (this.#turn.isOver) {
      throw new CodedError(
        "turn.over",
        "this conn belongs to a turn that has ended; await what has to happen within it, or use app.send with conn.id",
      );
    }
    return this.#turn;
  }
}

/**
 * RFC 6455, 7.4.2: what an application may use; 5.5: a control frame has at most 125 bytes, two of them the code.
 * @throws {CodedError} "close.invalid"
 */
export function checkClose(code: number, reason: string): void {
  if (code !== 1000 && !(Number.isInteger(code) && code >= 3000 && code <= 4999)) {
    throw new CodedError("close.invalid", `the close code ${code} is not 1000 and not within 3000 to 4999`);
  }
  if (Buffer.byteLength(reason) > 123) throw new CodedError("close.invalid", "a close reason has at most 123 bytes");
}
