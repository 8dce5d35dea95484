// For the tests of turns: one connection of a handler, with its commits written down and a clock that stands.

import { flag, toWorker } from "../../protocol/records.ts";
import type { Effects } from "../effects.ts";
import { type App, defineHandler, type Handler, type HandlerError, type HandlerOptions, type } from "../handler.ts";
import { Mailbox, type MailboxEvent, type MailboxOptions, type TurnGateway } from "../mailbox.ts";
import { ReceivedMessage } from "../message.ts";
import { Refusals } from "../refusal-counts.ts";
import { Turns, type TurnsOptions } from "../turns.ts";
import { seenEffect } from "./seen.ts";

export interface Count {
  count: number;
}

export type Options = HandlerOptions<"/a", typeof state, undefined>;

export const state = type<Count>({ count: 0 });
/** No gateway. */
const notHere: App = {
  release: "1",
  workerId: "bench",
  messageBytes: 99,
  oneTime: { put: () => Promise.reject(new Error("no NATS")), take: () => Promise.reject(new Error("no NATS")) },
  publish: () => Promise.reject(new Error("no gateway")),
  send: () => Promise.reject(new Error("no gateway")),
  sendToUser: () => Promise.reject(new Error("no gateway")),
  close: () => Promise.reject(new Error("no gateway")),
  closeUser: () => Promise.reject(new Error("no gateway")),
  connections: () => Promise.reject(new Error("no gateway")),
  history: () => Promise.reject(new Error("no gateway")),
  members: () => Promise.reject(new Error("no gateway")),
};
const limits = { effectsBytes: 200, stateBytes: 20, topicsPerConnection: 2, timersPerConnection: 2, turnTimeoutMs: 1_000 };
export const fresh = { redelivered: false, flushed: 0 };
export const open: MailboxEvent = { type: toWorker.open, ...fresh };
export const close: MailboxEvent = { type: toWorker.close, code: 1000, reason: "", ...fresh };

export function message(text = "hi"): MailboxEvent {
  return { type: toWorker.message, message: new ReceivedMessage(Buffer.from(text), false), ...fresh };
}

/** A gateway that takes everything, and does nothing. */
export const nobody: TurnGateway = {
  id: "g",
  isLost: false,
  takesMore: () => true,
  commit: () => undefined,
  flushed: () => Promise.resolve(),
  idle: () => undefined,
};

/** One connection at `/a`, its turns, and what came of them. */
export class Bench implements TurnGateway {
  readonly id = "g";
  isLost = false;
  readonly commits: Array<{ end: "commit" | "flush"; effects: unknown[] }> = [];
  readonly thrown: Array<{ hook: string; error: HandlerError }> = [];
  readonly refusals = new Refusals();
  readonly mailbox: Mailbox;
  readonly turns: Turns;
  hasCredit = true;
  now = 0;
  private onConfirmed: Array<() => void> = [];

  constructor(handler: Handler, pin: Partial<MailboxOptions> = {}, given: Partial<TurnsOptions["limits"]> = {}) {
    const standard = {
      gateway: this,
      slot: 0,
      epoch: 1,
      id: "g-0-1",
      user: undefined,
      path: "/a",
      params: {},
      ip: "127.0.0.1",
    };
    const rest = {
      query: new URLSearchParams(),
      subprotocol: "",
      state: { count: 0 },
      topics: new Set<string>(),
      expiresAt: 0,
      next: 0,
      isMigrated: false,
      fault: undefined,
    };
    this.mailbox = new Mailbox({ ...standard, ...rest, handler, ...pin });
    this.turns = new Turns({
      release: "1",
      limits: { ...limits, ...given },
      now: () => this.now,
      app: notHere,
      exclusive: { mayRun: () => true, step: () => undefined },
      lock: async () => undefined,
      refusals: this.refusals,
      onThrown: (_, error, hook) => this.thrown.push({ hook, error }),
    });
  }

  takesMore(): boolean {
    return this.hasCredit && !this.isLost;
  }

  commit(_: Mailbox, effects: Effects, end: number): void {
    this.commits.push({ end: end === flag.flush ? "flush" : "commit", effects: effects.all.map(seenEffect).map(brief) });
  }

  flushed(): Promise<void> {
    return new Promise((resolve) => this.onConfirmed.push(resolve));
  }

  idle(): void {}

  get effects(): unknown[] {
    return this.commits.flatMap(({ effects }) => effects);
  }

  take(...events: MailboxEvent[]): this {
    for (const event of events) this.mailbox.push(event);
    this.turns.run(this.mailbox);
    return this;
  }

  confirm(): void {
    for (const resolve of this.onConfirmed.splice(0)) resolve();
  }

  /** Lets everything happen that waits for nothing outside. */
  settle(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}

function brief(effect: ReturnType<typeof seenEffect>): unknown {
  switch (effect.type) {
    case "send":
      return effect.data;
    case "publish":
      return `publish ${effect.topic}`;
    case "setState":
      return effect.state;
    case "identify":
      return { user: effect.user, expiresAt: effect.expiresAt };
    case "close":
      return `close ${effect.code} ${effect.reason}`;
    case "setTimer":
      return `setTimer ${effect.name} ${effect.ms}`;
    case "clearTimer":
      return `clearTimer ${effect.name}`;
    case "setHeartbeat":
      return `setHeartbeat ${effect.heartbeat?.every ?? "none"}`;
    case "stay":
      return `stay ${effect.ms}`;
    case "countMessages":
      return `countMessages ${effect.more}`;
    case "pauseSession":
      return `pauseSession ${effect.frame}`;
    case "moveToSession":
      return effect.type;
    case "lock":
    case "unlock":
      return `${effect.type} ${effect.name}`;
    default:
      return `${effect.type} ${effect.topic}`;
  }
}

export function bench(hooks: Omit<Options, "path" | "state">, given: Partial<TurnsOptions["limits"]> = {}): Bench {
  return new Bench(defineHandler({ path: "/a", state, ...hooks }), {}, given);
}

export function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let resolve = () => {};
  let reject = (_: Error) => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
