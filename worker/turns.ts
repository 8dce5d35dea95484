// Runs turns: calls the hook, waits where it waits, then commits, or rolls back and lets onError have a turn of its own.
// A synchronous hook costs no promise. Effects go to the mailbox's gateway.

import { CodedError, isCodedError } from "../protocol/errors.ts";
import { gatewayLevel } from "../protocol/level.ts";
import { flag, toGateway, toWorker } from "../protocol/records.ts";
import { Effects } from "./effects.ts";
import type { ExclusiveRunner } from "./exclusive-runner.ts";
import { handlerErrorOf, isClientFault } from "./failure.ts";
import type { App, HandlerError } from "./handler.ts";
import type { Mailbox, MailboxEvent } from "./mailbox.ts";
import { callHook, hookOf, isStale } from "./mailbox-events.ts";
import type { Refusals } from "./refusal-counts.ts";
import { answer, answerError } from "./request-reply.ts";
import { checkState } from "./state.ts";
import { encodeState } from "./state-codec.ts";
import { Stays } from "./stays.ts";
import { isThenable } from "./thenable.ts";
import { type HookName, RunningTurn, type TurnHost, type TurnLimits } from "./turn.ts";
import { TurnMeter } from "./turn-meter.ts";
import { TurnSources } from "./turn-sources.ts";

export interface TurnsOptions {
  readonly release: string;
  readonly app: App;
  readonly limits: TurnLimits & { readonly stateBytes: number };
  readonly now: () => number;
  /** Milliseconds in which this process ran, for time-outs. Missing: `now`. */
  readonly ran?: () => number;
  /** Of all gateways. Missing: they are as new as this worker. */
  readonly minLevel?: () => number;
  /** Takes a lock for a connection. @returns its fence; undefined: others have it. @throws {CodedError} what its gateway says. */
  readonly lock: TurnHost["lock"];
  /** Asked before each turn, and told when one may have ended. */
  readonly exclusive: Pick<ExclusiveRunner, "mayRun" | "step">;
  /** Told of messages that could not be parsed. */
  readonly refusals: Refusals;
  /** A turn was rolled back, or a connection came with a state that does not fit. */
  readonly onThrown: (mailbox: Mailbox, error: HandlerError, hook: HookName) => void;
}

export class Turns implements TurnHost {
  readonly release: string;
  readonly app: App;
  readonly limits: TurnsOptions["limits"];
  /**
   * Events that are done with; of them those whose hook threw; of these those that were cut off. A message that could not be parsed is
   * among them only where its onError threw: nonsense shall neither look like a fault of the release nor dilute its faults.
   */
  readonly counters = { committed: 0, thrown: 0, timedOut: 0 };
  readonly meter: TurnMeter;
  readonly sources = new TurnSources();
  readonly lock: TurnHost["lock"];
  readonly stays: Stays;
  private readonly options: TurnsOptions;
  private readonly ran: () => number;
  /** Turns that wait for something, with what is to happen when they take too long; the oldest first. A mailbox has one at a time. */
  private readonly pending = new Map<Mailbox, { turn: RunningTurn; deadline: number; cutOff: (error: CodedError) => void }>();

  constructor(options: TurnsOptions) {
    this.options = options;
    this.meter = new TurnMeter(options.now);
    this.stays = new Stays({ now: options.now, run: (mailbox) => this.run(mailbox) });
    this.ran = options.ran ?? options.now;
    this.release = options.release;
    this.app = options.app;
    this.lock = options.lock;
    this.limits = options.limits;
  }

  get minLevel(): number {
    return this.options.minLevel?.() ?? gatewayLevel;
  }

  /** How many turns wait for something. */
  get waiting(): number {
    return this.pending.size;
  }

  /** Runs what the mailbox has, until something waits. */
  run(mailbox: Mailbox): void {
    const { exclusive } = this.options;
    const { gateway } = mailbox.pin;
    while (gateway.takesMore(mailbox) && exclusive.mayRun(mailbox)) {
      const event = mailbox.begin();
      if (event === undefined) break;
      const { fault } = mailbox.pin;
      if (isStale(mailbox, event)) this.commit(new RunningTurn(this, mailbox, event), true);
      else if (fault !== undefined && event.type !== toWorker.close)
        this.giveUp(mailbox, event, { code: fault.closeCode, reason: fault.code });
      else this.hook(mailbox, event, hookOf(event), undefined);
      if (mailbox.isRunning) return;
    }
    if (mailbox.isRunning) return;
    gateway.idle(mailbox);
    exclusive.step();
  }

  /** A connection came with a state that does not fit, and is closed at once: that counts as a turn that threw. */
  closeUnfit(mailbox: Mailbox, fault: CodedError): void {
    const { gateway, handler } = mailbox.pin;
    this.counters.committed++;
    this.blame(mailbox);
    this.meter.end({ startedAt: 0, weight: 0 }, handler, "thrown");
    this.options.onThrown(mailbox, fault, "onAdopt");
    const effects = new Effects(Number.POSITIVE_INFINITY);
    effects.add(toGateway.close, fault.code, 0, fault.closeCode);
    // No event's commit: an early one, which the gateway applies at once. It keeps the first of the events that follow the pin, if there is
    // one, and `run` commits that.
    gateway.commit(mailbox, effects, flag.flush);
    // Its confirmation is not that of a flush of onClose.
    gateway.flushed(mailbox).catch(() => undefined);
  }

  /** To be called several times a second. */
  sweep(): void {
    this.stays.sweep();
    const ran = this.ran();
    for (const [mailbox, { deadline, cutOff }] of this.pending) {
      // All have the same limit: who began later ends later.
      if (ran < deadline) break;
      this.pending.delete(mailbox);
      this.counters.timedOut++;
      cutOff(new CodedError("turn.timeout", `the turn has not settled within ${this.limits.turnTimeoutMs} ms (TURN_TIMEOUT_MS)`));
    }
  }

  /** The mailbox's gateway is gone: what runs for it may stop. */
  forget(mailbox: Mailbox): void {
    mailbox.forget();
    this.pending.get(mailbox)?.turn.end(new CodedError("turn.over", "the connection is no longer with this worker"));
    this.pending.delete(mailbox);
  }

  async flush(turn: RunningTurn): Promise<void> {
    const { mailbox } = turn;
    this.storeState(turn);
    turn.storeIdentity();
    const { gateway } = mailbox.pin;
    gateway.commit(mailbox, turn.effects, flag.flush);
    turn.settleFlush();
    this.stay(turn);
    await gateway.flushed(mailbox);
    if (!turn.isOver) mailbox.flushed++;
  }

  private stay(turn: RunningTurn): void {
    if (turn.stayMs !== undefined) this.stays.set(turn.mailbox, turn.stayMs);
    turn.stayMs = undefined;
  }

  // One turn. No closures before something waits: tsx gives each of them its name again, whenever it is made.
  private hook(mailbox: Mailbox, event: MailboxEvent, name: HookName, error: HandlerError | undefined): void {
    const turn = new RunningTurn(this, mailbox, event);
    this.meter.begin(turn);
    let settling: unknown;
    try {
      settling = callHook(turn, name, error);
    } catch (thrown) {
      this.fail(turn, name, thrown, error);
      return;
    }
    if (isThenable(settling)) this.wait(turn, name, error, settling);
    else this.settle(turn, name, error, settling);
  }

  private wait(turn: RunningTurn, name: HookName, error: HandlerError | undefined, settling: PromiseLike<unknown>): void {
    const { mailbox, event } = turn;
    if ("message" in event) event.message.detach();
    const afterwards = () => {
      if (!mailbox.isRunning) this.run(mailbox);
    };
    const cutOff = (late: CodedError) => {
      this.fail(turn, name, late, error);
      turn.end(late);
      afterwards();
    };
    this.pending.set(mailbox, { turn, deadline: this.ran() + this.limits.turnTimeoutMs, cutOff });
    settling.then(
      (value) => {
        this.settle(turn, name, error, value);
        afterwards();
      },
      (thrown) => {
        this.fail(turn, name, thrown, error);
        afterwards();
      },
    );
  }

  // The hook has returned.
  private settle(turn: RunningTurn, name: HookName, error: HandlerError | undefined, value: unknown): void {
    if (isAbandoned(turn)) return;
    this.pending.delete(turn.mailbox);
    try {
      this.storeState(turn);
      turn.storeIdentity();
      if (error !== undefined) closeAfterError(turn, error);
      else if (value !== undefined) answer(turn, value);
      if (turn.closing !== undefined) turn.effects.add(toGateway.close, turn.closing.reason, 0, turn.closing.code);
      else if (turn.moves) turn.effects.add(toGateway.moveToSession, "");
    } catch (thrown) {
      this.fail(turn, name, thrown, error);
      return;
    }
    this.meter.end(turn, turn.mailbox.pin.handler, "committed");
    this.commit(turn, error !== undefined && isClientFault(error));
  }

  // The hook has thrown. `cause` is what onError was told of, undefined in every other hook.
  private fail(turn: RunningTurn, name: HookName, thrown: unknown, cause: HandlerError | undefined): void {
    if (isAbandoned(turn)) return;
    turn.end();
    this.pending.delete(turn.mailbox);
    const { handler } = turn.mailbox.pin;
    const isRefused = isClientFault(thrown) && (cause === undefined || isClientFault(cause));
    if (!isRefused) this.meter.end(turn, handler, isCodedError(thrown, "turn.timeout") ? "timed_out" : "thrown");
    else if (cause === undefined) this.options.refusals.count(handler.path, thrown.code);
    // Once for an event: an onError that throws adds nothing, unless its event was no fault of the release so far.
    if (!turn.mailbox.isGone && !isRefused && (cause === undefined || isClientFault(cause))) this.blame(turn.mailbox);
    this.rollBack(turn, name, handlerErrorOf(thrown), isRefused);
  }

  private count({ mailbox, event }: RunningTurn): void {
    this.counters.committed++;
    this.sources.hearTurn(mailbox, event);
  }

  private blame({ pin: { ip }, user }: Mailbox): void {
    this.counters.thrown++;
    this.sources.blame(ip, user);
  }

  private rollBack(turn: RunningTurn, name: HookName, error: HandlerError, isRefused: boolean): void {
    const { mailbox, event } = turn;
    const { on, onError } = mailbox.pin.handler;
    this.options.onThrown(mailbox, error, name === "onMessage" && on !== undefined ? "on" : name);
    if (mailbox.isGone) return;
    // Flushes of the run that threw are done for good: whoever handles the event next is told of them.
    const { counted: _, ...bare } = event;
    const again = { ...bare, flushed: turn.flushed, ...(turn.counted > 0 && { counted: turn.counted }) };
    if (name !== "onError" && onError !== undefined) {
      this.hook(mailbox, again, "onError", error);
      return;
    }
    if (name !== "onError" && this.answerInstead(mailbox, again, error, isRefused)) return;
    this.giveUp(mailbox, again, { code: name === "onError" ? 1011 : error.closeCode, reason: error.code }, isRefused);
  }

  // The client has asked, and is told: no reason to close its connection.
  private answerInstead(mailbox: Mailbox, event: MailboxEvent, error: HandlerError, isRefused: boolean): boolean {
    const turn = new RunningTurn(this, mailbox, event);
    if (!answerError(turn, error)) return false;
    this.commit(turn, isRefused);
    return true;
  }

  // Nobody deals with the event: it is taken as done, and its connection closed.
  private giveUp(mailbox: Mailbox, event: MailboxEvent, closing: { code: number; reason: string }, isRefused = false): void {
    const turn = new RunningTurn(this, mailbox, event);
    if (event.type !== toWorker.close) {
      turn.closing = closing;
      turn.effects.add(toGateway.close, closing.reason, 0, closing.code);
    }
    this.commit(turn, isRefused);
  }

  private commit(turn: RunningTurn, isRefused: boolean): void {
    const { mailbox } = turn;
    turn.end();
    turn.settle();
    this.stay(turn);
    const closes = turn.closing !== undefined || turn.moves;
    const isGone = mailbox.isGone;
    mailbox.done(turn.event, closes);
    if (isGone) return;
    if (!isRefused) this.count(turn);
    mailbox.pin.gateway.commit(mailbox, turn.effects, flag.commit);
  }

  // The last setState of the turn becomes its state effect. Throws as setState's documentation says.
  private storeState(turn: RunningTurn): void {
    if (!turn.stateIsSet) return;
    const state = checkState(turn.mailbox.pin.handler, turn.state);
    turn.effects.add(toGateway.state, encodeState(state, this.limits.stateBytes), turn.mailbox.pin.isMigrated ? flag.migrated : 0);
    turn.setState(state);
    turn.stateIsSet = false;
  }
}

/** What it asks for reaches nobody: it is over, or its gateway was lost and `forget` is about to follow. */
function isAbandoned({ isOver, mailbox }: RunningTurn): boolean {
  return isOver || mailbox.pin.gateway.isLost;
}

/** A connection whose onOpen threw is of no use, whatever onError made of it. Of any other that stays, the client is told where it asked. */
function closeAfterError(turn: RunningTurn, error: HandlerError): void {
  if (turn.event.type === toWorker.open) turn.closing ??= { code: 1011, reason: "onOpen threw" };
  if (turn.closing === undefined) answerError(turn, error);
}
