// One connection at its worker: what it is, and its events in order. It decides what runs next and when the connection may
// be given back; running is the turn's part. Pure.

import type { CodedError } from "../protocol/errors.ts";
import { isCounted, toWorker } from "../protocol/records.ts";
import type { PathParams } from "../protocol/route-table.ts";
import type { Effects } from "./effects.ts";
import type { Handler, Query } from "./handler.ts";
import type { ReceivedMessage } from "./message.ts";
import type { CommittedTimers } from "./turn-timers.ts";

/** An event that a hook has to be called for. */
export type MailboxEvent = {
  readonly redelivered: boolean;
  /** How often workers that died had flushed in its turn. */
  readonly flushed: number;
  /** How many messages more a run of it that was rolled back has counted: its client has sent them all the same. */
  readonly counted?: number;
} & (
  | { readonly type: typeof toWorker.open | typeof toWorker.adopt }
  | {
      readonly type: typeof toWorker.message;
      readonly message: ReceivedMessage;
      /** The client wants an answer, which names this. Known once the message is parsed, and only where the handler has `on`. */
      request?: string | number;
    }
  | { readonly type: typeof toWorker.close; readonly code: number; readonly reason: string }
  /** Milliseconds since 1970: the time that has come. */
  | { readonly type: typeof toWorker.expire; readonly expiresAt: number }
  /** A timer has come due. */
  | { readonly type: typeof toWorker.timer; readonly name: string; readonly number: number }
  /** Something was published to a topic that it subscribes to with `hook`. The number is another one for each publish. */
  | { readonly type: typeof toWorker.published; readonly topic: string; readonly number: number; readonly message: ReceivedMessage }
);

type CloseEvent = MailboxEvent & { readonly type: typeof toWorker.close };

/** What a connection leaves whose gateway has died: its close, and the number of that. */
export interface CloseHandoff {
  readonly close: CloseEvent;
  readonly next: number;
}

/** A connection's gateway, as its turns need it; or what stands for one that has died. */
export interface TurnGateway {
  readonly id: string;
  /** Nothing reaches it any more, and its mailboxes are about to be forgotten. */
  readonly isLost: boolean;
  /** Whether the mailbox may commit more now; if not, its turns are run again when it may. */
  takesMore(mailbox: Mailbox): boolean;
  /** Takes a turn's effects, all or nothing. @param end flag.commit or flag.flush */
  commit(mailbox: Mailbox, effects: Effects, end: number): void;
  /** Resolves when the flush that was just committed has been applied; rejects when the connection is gone. */
  flushed(mailbox: Mailbox): Promise<void>;
  /** Nothing of the mailbox runs now: it can be given back if it was asked back. */
  idle(mailbox: Mailbox): void;
}

export interface MailboxOptions {
  readonly gateway: TurnGateway;
  readonly slot: number;
  readonly epoch: number;
  readonly id: string;
  readonly user: string | undefined;
  readonly path: string;
  readonly params: PathParams;
  readonly query: Query;
  readonly ip: string;
  readonly subprotocol: string;
  readonly state: unknown;
  /** `migrate` has made it of what is stored. */
  readonly isMigrated: boolean;
  /** The mailbox's own from now on. */
  readonly topics: Set<string>;
  /** Those of them that it subscribes to with `hook`. */
  readonly hooked?: readonly string[] | undefined;
  /** Milliseconds since 1970; 0: never. undefined: its gateway knows of no such thing. */
  readonly expiresAt?: number | undefined;
  /** Those that are set, or whose event has not committed, by name. */
  readonly timers?: ReadonlyArray<readonly [name: string, number: number]> | undefined;
  /** The highest number that one ever had. */
  readonly lastTimer?: number | undefined;
  /** How much of the protocol its gateway knows: see protocol/level.ts. */
  readonly level?: number | undefined;
  /** The number of the next event. */
  readonly next: number;
  /** Its stored state does not fit: the first event closes it, and no hook but onClose is called. */
  readonly fault: CodedError | undefined;
  readonly handler: Handler;
}

export class Mailbox {
  readonly pin: MailboxOptions;
  /** As of the last commit. */
  state: unknown;
  readonly topics: Set<string>;
  /**
   * What its turns have told of it as a member, by topic. Its gateway may not know it yet: a commit that subscribes waits there until NATS has
   * the subscription, and the next turn does not. Made when they do.
   */
  memberInfo: Map<string, unknown> | undefined;
  user: string | undefined;
  /** As of the pin. */
  expiresAt: number;
  private ownTimers: CommittedTimers | undefined;
  private ownHooked: Set<string> | undefined;
  /** The number of the event that runs or runs next: turn ids are made of it. */
  next: number;
  /** How often the event that runs has flushed, in dead workers and here, as far as its gateway has confirmed it. */
  flushed = 0;
  /** As whom its client has spoken to this worker last: a user, or an address. */
  heardAs: string | undefined;
  /** By the clock of Turns: where it was asked back, it goes on until then; 0: it does not. See Stays. */
  staysUntil = 0;
  private hasStayed = false;
  private readonly events: MailboxEvent[] = [];
  private running: MailboxEvent | undefined;
  /** open: it takes events. closed: by a turn of its own; it takes its close. leaving: it was asked back, and takes what its turn or its stay may need. gone: nothing of it counts any more. */
  private phase: "open" | "closed" | "leaving" | "gone" = "open";

  constructor(pin: MailboxOptions) {
    this.pin = pin;
    this.state = pin.state;
    this.topics = pin.topics;
    this.user = pin.user;
    this.expiresAt = pin.expiresAt ?? 0;
    this.next = pin.next;
  }

  /** As of the last commit. Made when they are asked for: most connections have none. */
  get timers(): CommittedTimers {
    this.ownTimers ??= { byName: new Map(this.pin.timers), last: this.pin.lastTimer ?? 0 };
    return this.ownTimers;
  }

  /** It has ever subscribed with `hook`. */
  get usesHooks(): boolean {
    return this.ownHooked !== undefined || this.pin.hooked !== undefined;
  }

  /** Topics whose messages are its handler's, as of the last commit. */
  get hooked(): Set<string> {
    this.ownHooked ??= new Set(this.pin.hooked);
    return this.ownHooked;
  }

  /** Given back, closed or forgotten: nothing of it runs any more, and nothing that it still says counts. */
  get isGone(): boolean {
    return this.phase === "gone";
  }

  get isRunning(): boolean {
    return this.running !== undefined;
  }

  /** Handlers have heard of its open, and not of its close. */
  get isOpen(): boolean {
    return !this.isGone && this.next > 0;
  }

  get waiting(): number {
    return this.events.length;
  }

  push(event: MailboxEvent): void {
    if (!this.takes(event)) return;
    if ("message" in event && (this.isRunning || this.events.length > 0)) event.message.detach();
    this.events.push(event);
  }

  private takes({ type }: MailboxEvent): boolean {
    // The turn under way may ask to stay. What was refused is another worker's: nothing behind it may run here.
    if (this.phase === "leaving") return this.isRunning || this.staysUntil > 0;
    // After its own close a connection is told of its onClose, and of nothing else.
    return this.phase === "open" || (this.phase === "closed" && type === toWorker.close);
  }

  /** @returns the event to run now, if any; `done` has to follow. */
  begin(): MailboxEvent | undefined {
    if (this.isRunning || this.isGone) return undefined;
    this.running = this.events.shift();
    this.flushed = this.running?.flushed ?? 0;
    return this.running;
  }

  /** The event's turn has committed. @param closes whether it closed the connection. */
  done(event: MailboxEvent, closes: boolean): void {
    this.running = undefined;
    if (isCounted(event.type)) this.next++;
    if (event.type === toWorker.timer && this.timers.byName.get(event.name) === event.number) this.timers.byName.delete(event.name);
    if (event.type === toWorker.close) this.phase = "gone";
    if (closes) this.closed();
    this.dropUnlessStaying();
  }

  private closed(): void {
    this.staysUntil = 0;
    if (this.phase === "open") this.phase = "closed";
    const close = this.events.find(({ type }) => type === toWorker.close);
    this.events.length = 0;
    if (close !== undefined) this.events.push(close);
  }

  /** The turn under way asks for that. Once it was asked back, it stays once, and no longer than it has asked for first. */
  stay(until: number, now: number): void {
    if (this.phase !== "leaving" || (this.staysUntil <= now && !this.hasStayed)) this.staysUntil = until;
  }

  endStay(): void {
    this.staysUntil = 0;
    if (this.phase === "leaving") this.hasStayed = true;
    this.dropUnlessStaying();
  }

  /**
   * Gives back what has not begun, unless it stays, or the turn under way asks for that.
   * @param hasStayed Its gateway has waited for its stay: there is no other.
   */
  leave(hasStayed: boolean): void {
    if (this.phase !== "gone") this.phase = "leaving";
    if (hasStayed) this.endStay();
    this.dropUnlessStaying();
  }

  private dropUnlessStaying(): void {
    if (this.phase === "leaving" && !this.isRunning && this.staysUntil === 0) this.events.length = 0;
  }

  /** @returns whether it can be given back now: true once. */
  release(): boolean {
    if (this.phase !== "leaving" || this.isRunning || this.staysUntil > 0) return false;
    this.phase = "gone";
    return true;
  }

  /**
   * Its gateway has died. Messages keep their numbers: they may have begun, here or at a worker that died, and whoever
   * knows a number from there must not take the close for it. A close that was given stays what it was, and has the broken
   * connection's code only where there was none. To be asked before `forget`.
   */
  closeHandoff(): CloseHandoff {
    const events = this.running === undefined ? this.events : [this.running, ...this.events];
    const next = this.next + events.filter(({ type }) => type === toWorker.message).length;
    const close = events.find(isClose);
    if (close === undefined) return { close: { type: toWorker.close, code: 1006, reason: "", redelivered: false, flushed: 0 }, next };
    return { close: close === this.running ? { ...close, redelivered: true, flushed: this.flushed } : close, next };
  }

  /** Its gateway has gone, or has given it to another worker. */
  forget(): void {
    this.phase = "gone";
    this.events.length = 0;
  }
}

function isClose(event: MailboxEvent): event is CloseEvent {
  return event.type === toWorker.close;
}
