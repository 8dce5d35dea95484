// The `conn` that a hook is handed: what it may look at, and what it asks for, which the turn collects until it commits.

import { checkClose } from "../protocol/close-code.ts";
import { gatewayOf } from "../protocol/connection-id.ts";
import { CodedError } from "../protocol/errors.ts";
import { checkHeartbeat } from "../protocol/heartbeat.ts";
import { checkBeginning, checkRetention } from "../protocol/history.ts";
import { needLevel } from "../protocol/level.ts";
import { checkLockName, checkLockWait } from "../protocol/lock-value.ts";
import { packValue } from "../protocol/msgpack.ts";
import { encodePublish, encodeSetTimer, encodeSubscribeAfter, encodeSubscribeLast } from "../protocol/payloads.ts";
import { flag, toGateway, toWorker } from "../protocol/records.ts";
import { longestStayMs } from "../protocol/stay.ts";
import { checkTopic } from "../protocol/subjects.ts";
import { checkUser } from "../protocol/user.ts";
import { checkExcept, checkSingle, type Frame, frameOf, publishExceptPayload, publishKeptPayload, publishPayload } from "./effects.ts";
import type { Connection, Heartbeat, Lock, Member, MembersFilter, PublishOptions, Query, Sendable, SubscribeOptions } from "./handler.ts";
import { checkHook } from "./hook-option.ts";
import { expiryTime } from "./identity.ts";
import { encodeInfo, listed } from "./members.ts";
import { readOnlyCopy } from "./read-only.ts";
import type { RunningTurn } from "./turn.ts";
import { checkTimerMs, checkTimerName } from "./turn-timers.ts";

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
    const { payload, flags, isTogether } = frameOf(data);
    if (isTogether) needLevel(turn.mailbox.pin.level, 1, "send of frames together");
    turn.effects.add(isTogether ? toGateway.sendTogether : toGateway.send, payload, flags);
  }

  publish(topic: string, data: Sendable, options?: PublishOptions): void {
    const turn = this.#open();
    checkTopic(topic);
    const frame: Frame = frameOf(data);
    const flags = frame.flags | (options?.self ? flag.self : 0);
    const { except = [], keep } = options ?? {};
    if (keep !== undefined) {
      checkSingle(frame);
      const payload = publishKeptPayload(topic, frame, checkRetention(keep), checkExcept(except));
      needLevel(turn.host.minLevel, 1, "publish with keep");
      return turn.effects.add(toGateway.publishKept, payload, flags);
    }
    if (frame.isTogether) {
      needLevel(turn.host.minLevel, 1, "publish of frames together");
      return turn.effects.add(toGateway.publishTogether, publishExceptPayload(topic, frame, checkExcept(except)), flags);
    }
    if (except.length === 0) return turn.effects.add(toGateway.publish, publishPayload(topic, frame), flags);
    needLevel(turn.host.minLevel, 1, "publish with except");
    turn.effects.add(toGateway.publishExcept, publishExceptPayload(topic, frame, checkExcept(except)), flags);
  }

  subscribe(topic: string, options?: SubscribeOptions): void {
    const turn = this.#open();
    checkTopic(topic);
    const hook = checkHook(turn.mailbox.pin.handler, options);
    if (hook) needLevel(turn.mailbox.pin.level, 1, "conn.subscribe with hook");
    const beginning = checkBeginning(options);
    if (beginning !== undefined) needLevel(turn.mailbox.pin.level, 1, "conn.subscribe with last or after");
    const info = options?.as === undefined ? undefined : encodeInfo(options.as);
    if (info !== undefined) needLevel(turn.mailbox.pin.level, 1, "conn.subscribe with as");
    this.#subscribe(turn, topic, { beginning, hook });
    if (info === undefined) return;
    turn.effects.add(toGateway.member, encodePublish(topic, Buffer.from(info)));
    turn.memberInfo ??= new Map();
    turn.memberInfo.set(topic, JSON.parse(info));
  }

  #subscribe(turn: RunningTurn, topic: string, { beginning, hook }: { beginning: number | string | undefined; hook: boolean }): void {
    if (turn.topics.has(topic)) {
      if (turn.isHooked(topic) !== hook) this.#divert(turn, topic, hook);
      return;
    }
    const limit = turn.host.limits.topicsPerConnection;
    if (turn.topics.size >= limit)
      throw new CodedError("topics.tooMany", `a connection has at most ${limit} topics (TOPICS_PER_CONNECTION)`);
    if (beginning === undefined) this.#divert(turn, topic, hook);
    else if (typeof beginning === "number") turn.effects.add(toGateway.subscribeLast, encodeSubscribeLast(topic, beginning));
    else turn.effects.add(toGateway.subscribeAfter, encodeSubscribeAfter(topic, beginning));
    turn.topics.add(topic);
  }

  /** To the handler, or to the client. */
  #divert(turn: RunningTurn, topic: string, hook: boolean): void {
    turn.effects.add(hook ? toGateway.subscribeHook : toGateway.subscribe, topic);
    turn.setHooked(topic, hook);
  }

  unsubscribe(topic: string): void {
    const turn = this.#open();
    checkTopic(topic);
    if (!turn.topics.has(topic)) return;
    turn.effects.add(toGateway.unsubscribe, topic);
    turn.topics.delete(topic);
    turn.setHooked(topic, false);
    turn.memberInfo?.delete(topic);
    turn.left ??= new Set();
    turn.left.add(topic);
  }

  async members<Info>(topic: string, filter?: MembersFilter): Promise<Member<Info>[]> {
    const turn = this.#open();
    const all = await turn.app.members(topic);
    const own = all.find(({ id }) => id === this.id);
    const others = all.filter((member) => member !== own);
    return listed([...others, ...this.#asMember(topic, own)], filter) as Member<Info>[];
  }

  /** What its turns have made of it: this one, and those before it that its gateway may not have applied yet. */
  #asMember(topic: string, told: Member | undefined): Member[] {
    const { memberInfo, left, topics, event, mailbox } = this.#open();
    const hasLeft = left?.has(topic) === true;
    const own = [memberInfo, hasLeft ? undefined : mailbox.memberInfo].find((each) => each?.has(topic));
    const committed = hasLeft ? undefined : told;
    if (event.type === toWorker.close || !topics.has(topic) || (committed === undefined && own === undefined)) return [];
    const { id, gateway, user } = this;
    const { since = new Date(), info } = committed ?? {};
    return [{ id, gateway, user, since, connections: 1, info: own === undefined ? info : own.get(topic) }];
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

  setTimer(name: string, ms: number): void {
    const turn = this.#open();
    checkTimerName(name);
    checkTimerMs(ms);
    const { pin } = turn.mailbox;
    if (pin.handler.onTimer === undefined) throw new CodedError("timer.invalid", "setTimer needs an onTimer in the handler");
    needLevel(pin.level, 1, "conn.setTimer");
    const limit = turn.host.limits.timersPerConnection;
    if (!turn.timers.has(name) && turn.timers.size >= limit)
      throw new CodedError("timers.tooMany", `a connection has at most ${limit} timers (TIMERS_PER_CONNECTION)`);
    turn.effects.add(toGateway.timer, encodeSetTimer(ms, turn.timers.next, name));
    turn.timers.set(name);
  }

  clearTimer(name: string): void {
    const turn = this.#open();
    checkTimerName(name);
    if (!turn.timers.has(name)) return;
    turn.effects.add(toGateway.noTimer, name);
    turn.timers.clear(name);
  }

  setHeartbeat(heartbeat: Heartbeat | undefined): void {
    const turn = this.#open();
    const payload = heartbeat === undefined ? "" : packValue(checkHeartbeat(heartbeat));
    needLevel(turn.mailbox.pin.level, 1, "conn.setHeartbeat");
    turn.effects.add(toGateway.heartbeat, payload);
  }

  async lock(name: string, { waitMs = 0 }: { readonly waitMs?: number } = {}): Promise<Lock | undefined> {
    const turn = this.#open();
    checkLockName(name);
    checkLockWait(waitMs, turn.host.limits.turnTimeoutMs);
    needLevel(turn.mailbox.pin.level, 1, "conn.lock");
    const fence = await turn.host.lock(this.id, name, waitMs);
    if (fence === undefined) return undefined;
    const { effects } = this.#open();
    // It has had it all the time.
    effects.remove(toGateway.unlock, name);
    effects.add(toGateway.keepLock, name);
    return { fence };
  }

  unlock(name: string): void {
    const turn = this.#open();
    checkLockName(name);
    needLevel(turn.mailbox.pin.level, 1, "conn.unlock");
    turn.effects.add(toGateway.unlock, name);
  }

  stay(ms: number): void {
    const turn = this.#open();
    if (!Number.isInteger(ms) || ms < 0 || ms > longestStayMs) throw new RangeError(`stay takes 0 to 10,000 milliseconds, not ${ms}`);
    needLevel(turn.mailbox.pin.level, 1, "conn.stay");
    turn.effects.add(toGateway.stay, "", 0, ms);
    turn.stayMs = ms;
  }

  countMessages(more: number): void {
    const turn = this.#open();
    if (!Number.isInteger(more) || more < 1 || more > 0xffff) throw new RangeError(`countMessages takes 1 to 65,535, not ${more}`);
    needLevel(turn.mailbox.pin.level, 1, "conn.countMessages");
    turn.countMessages(more);
  }

  close(code = 1000, reason = ""): void {
    const turn = this.#open();
    checkClose(code, reason);
    turn.closing ??= { code, reason };
  }

  pauseSession(frame: string): void {
    const turn = this.#open();
    needLevel(turn.mailbox.pin.level, 1, "conn.pauseSession");
    turn.effects.add(toGateway.pauseSession, frame);
  }

  moveToSession(): void {
    const turn = this.#open();
    needLevel(turn.mailbox.pin.level, 1, "conn.moveToSession");
    turn.moves = true;
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
