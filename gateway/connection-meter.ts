// What a connection's client sends, measured: messages, bytes and pings, and its part in what its address and its user send. Pure.
//
// The clock is looked at, and address and user are told, once for several messages: that costs a few nanoseconds for each of them. A
// connection can so send these few more than it may.
//
// Where all connections of an address or a user together send too much, those are closed that send more than their share of what is
// allowed: the others are not to pay for them.

import type { MessageRate } from "../protocol/message-rate.ts";
import type { Party } from "./parties.ts";
import { type Usage, use } from "./rate.ts";

/** Between two looks at the clock. */
const fewMessages = 32;
const fewBytes = 64 * 1024;

export type Sent = "messages" | "bytes" | "pings";

/** What each connection may send; Infinity: without a limit. */
export type SendRates = Readonly<Record<Sent, number>>;

/** Whose limit was passed: "address messages". */
export type Passed = `${"connection" | "address" | "user" | "route"} ${string}`;

export interface MeterRoom {
  readonly now: () => number;
  readonly rates: {
    readonly connection: SendRates;
    /** How many connections' worth an address may send, and a user. */
    readonly addressFactor: number;
    readonly userFactor: number;
  };
  count(passed: Passed): void;
}

export class ConnectionMeter implements Usage<Sent> {
  messages = 0;
  bytes = 0;
  pings = 0;
  readonly address: Party;
  user: Party | undefined;
  /** The limit that it was closed for. */
  passed: Passed | undefined;
  /** When the clock was last looked at, it was sending faster than a connection may, whether or not its own burst was spent. */
  exceedsOwnRate = false;
  readonly room: MeterRoom;
  /** Since the clock was looked at. */
  private newMessages = 0;
  private newBytes = 0;
  private settledAt: number;
  private pingedAt: number;

  constructor(room: MeterRoom, address: Party, user: Party | undefined) {
    this.room = room;
    this.address = address;
    this.user = user;
    this.settledAt = this.pingedAt = room.now();
  }

  /** What its route allows it, where that has a limit of its own: see route-meter.ts. */
  get routeRate(): MessageRate | undefined {
    return undefined;
  }

  /** It is sending faster than a connection may, and what it has sent is not made up for yet. */
  get isFlooding(): boolean {
    return this.exceedsOwnRate && Math.max(this.messages, this.bytes) > this.room.now();
  }

  /** Of a connection whose route has no limit of its own any more. */
  plain(): ConnectionMeter {
    const meter = new ConnectionMeter(this.room, this.address, this.user);
    meter.continue(this);
    return meter;
  }

  protected continue(from: ConnectionMeter): void {
    this.messages = from.messages;
    this.bytes = from.bytes;
    this.pings = from.pings;
    this.passed = from.passed;
    this.exceedsOwnRate = from.exceedsOwnRate;
    this.newMessages = from.newMessages;
    this.newBytes = from.newBytes;
    this.settledAt = from.settledAt;
    this.pingedAt = from.pingedAt;
  }

  /** A message has come. @returns false where that is too much: see `passed`. */
  message(bytes: number): boolean {
    this.newMessages++;
    this.newBytes += bytes;
    if (this.newMessages < fewMessages && this.newBytes < fewBytes) return true;
    return this.settle();
  }

  /** The message that was counted last held so many more. @returns as `message`. */
  moreMessages(count: number): boolean {
    for (let index = 0; index < count; index++) if (!this.message(0)) return false;
    return true;
  }

  /** A ping has come, or a pong. @returns false where that is too much: see `passed`. */
  ping(): boolean {
    const now = this.room.now();
    const elapsedMs = now - this.pingedAt;
    this.pingedAt = now;
    return this.use("pings", { amount: 1, elapsedMs, now });
  }

  /** Counts what has come since the last time. */
  settle(): boolean {
    const { newMessages, newBytes } = this;
    this.newMessages = 0;
    this.newBytes = 0;
    const now = this.room.now();
    const elapsedMs = now - this.settledAt;
    this.settledAt = now;
    const messages = { amount: newMessages, elapsedMs, now };
    const bytes = { amount: newBytes, elapsedMs, now };
    this.exceedsOwnRate = this.exceeds("messages", messages) || this.exceeds("bytes", bytes);
    return this.use("messages", messages) && this.use("bytes", bytes);
  }

  /** Whether this is more than its rate allows, or comes while what it sent before is not made up for: floods have gaps. */
  private exceeds(kind: Sent, { amount, elapsedMs, now }: Amount): boolean {
    return this[kind] > now || amount * 1_000 > this.room.rates.connection[kind] * elapsedMs;
  }

  private use(kind: Sent, sent: Amount): boolean {
    const { connection, addressFactor, userFactor } = this.room.rates;
    const { address, user } = this;
    const perSecond = connection[kind];
    const exceedsOwnRate = this.exceeds(kind, sent);
    if (!use(this, kind, sent.amount, perSecond, sent.now)) return this.pass(`connection ${kind}`);
    if (!address.isExempt && !mayShare(address, kind, perSecond * addressFactor, sent)) return this.pass(`address ${kind}`, exceedsOwnRate);
    if (user !== undefined && !mayShare(user, kind, perSecond * userFactor, sent)) return this.pass(`user ${kind}`, exceedsOwnRate);
    return true;
  }

  protected pass(passed: Passed, exceedsOwnRate = true): false {
    this.passed = passed;
    this.exceedsOwnRate = exceedsOwnRate;
    this.room.count(passed);
    return false;
  }
}

interface Amount {
  readonly amount: number;
  /** In which it came. */
  readonly elapsedMs: number;
  readonly now: number;
}

/** Whether all of the party together have sent no more than they may, or this connection no more than its share of that. */
function mayShare(party: Party, kind: Sent, perSecond: number, { amount, elapsedMs, now }: Amount): boolean {
  if (use(party, kind, amount, perSecond, now)) return true;
  return amount * 1_000 * Math.max(1, party.connections) <= perSecond * elapsedMs;
}
