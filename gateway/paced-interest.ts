// Asks NATS for the topics that turns subscribe to: a bounded number at a time, a few of each connection in turn. So a client
// that makes a handler subscribe to a thousand topics holds up neither the event loop nor NATS, and another one's first topic
// waits for milliseconds. Counts them, and grants none beyond the gateway's limits. Pure, but for the topics.

import { runSlices, type Slices } from "../process/time-slice.ts";
import type { Topics } from "./topics.ts";

export interface InterestLimits {
  /** Topics that have a subscriber here: each is a subscription of NATS. */
  readonly topics: number;
  /** Topics of all connections. */
  readonly subscriptions: number;
}

export interface PacedInterestOptions extends Slices {
  readonly topics: Pick<Topics, "want" | "release" | "has" | "isConfirmed" | "size" | "subscriptions">;
  readonly limits: InterestLimits;
}

/** What a request for topics has come to. Those that were wanted are to be released, by `release`. */
export interface Granted {
  readonly isRefused: boolean;
  readonly wanted: readonly string[];
}

interface Request {
  readonly topics: readonly string[];
  /** The client is still there: else nothing more is asked for. */
  readonly isWanted: () => boolean;
  /** So many of them are wanted. */
  wanted: number;
  /** Those among them that NATS has not confirmed. */
  unconfirmed: number;
  isAsked: boolean;
  isRefused: boolean;
  readonly end: (granted: Granted) => void;
}

/** So many may be with NATS, unconfirmed. More in one step of the event loop, or with NATS, hold up others for longer, and are no faster. */
const window = 128;
/** So many of one connection, before it is another one's turn. */
const share = 32;

export class PacedInterest {
  private readonly options: PacedInterestOptions;
  private readonly requests: Request[] = [];
  private readonly releasing: Array<Iterable<string>> = [];
  private unconfirmed = 0;

  constructor(options: PacedInterestOptions) {
    this.options = options;
  }

  /**
   * Wants topics for a turn that is about to subscribe to them.
   * @returns ready: everything that is published to them from now on arrives here, and nothing is to be released. refused: they are too
   * many. Else what to wait for; never rejects.
   */
  ask(topics: readonly string[], isWanted: () => boolean): "ready" | "refused" | Promise<Granted> {
    if (topics.every((topic) => this.options.topics.isConfirmed(topic))) {
      return this.options.topics.subscriptions + topics.length > this.options.limits.subscriptions ? "refused" : "ready";
    }
    return new Promise((end) => {
      this.requests.push({ topics, isWanted, wanted: 0, unconfirmed: 0, isAsked: false, isRefused: false, end });
      this.step();
    });
  }

  /** These have one subscriber less: many of them bit by bit. */
  release(topics: readonly string[] | ReadonlySet<string>): void {
    const count = Array.isArray(topics) ? topics.length : (topics as ReadonlySet<string>).size;
    if (count <= share) {
      for (const topic of topics) this.options.topics.release(topic);
      return;
    }
    this.releasing.push(topics);
    if (this.releasing.length === 1) runSlices(this.releaseAll(), this.options);
  }

  private *releaseAll(): Generator<void> {
    for (let topics = this.releasing[0]; topics !== undefined; topics = this.releasing[0]) {
      for (const topic of topics) {
        this.options.topics.release(topic);
        yield;
      }
      this.releasing.shift();
    }
  }

  private step(): void {
    let asked = 0;
    while (this.unconfirmed < window && asked < window) {
      const request = this.requests.shift();
      if (request === undefined) return;
      asked += share;
      this.askSome(request);
      if (!request.isAsked) this.requests.push(request);
    }
    // Those that are known already have nothing to wait for.
    if (this.unconfirmed === 0) this.options.later(() => this.step());
  }

  private askSome(request: Request): void {
    const { topics } = request;
    const to = request.isWanted() ? Math.min(topics.length, request.wanted + share) : request.wanted;
    const waits: Promise<void>[] = [];
    while (request.wanted < to && !request.isRefused) {
      const topic = topics[request.wanted] as string;
      if (this.isFullFor(topic)) {
        request.isRefused = true;
        break;
      }
      const confirmed = this.options.topics.want(topic);
      request.wanted++;
      if (confirmed !== undefined) waits.push(confirmed);
    }
    request.isAsked = request.isRefused || request.wanted === topics.length || !request.isWanted();
    request.unconfirmed += waits.length;
    this.unconfirmed += waits.length;
    if (waits.length === 0) this.endIfDone(request);
    else void Promise.all(waits).then(() => this.confirmed(request, waits.length));
  }

  private isFullFor(topic: string): boolean {
    const { topics, limits } = this.options;
    return topics.subscriptions >= limits.subscriptions || (topics.size >= limits.topics && !topics.has(topic));
  }

  private confirmed(request: Request, count: number): void {
    request.unconfirmed -= count;
    this.unconfirmed -= count;
    this.endIfDone(request);
    this.step();
  }

  private endIfDone({ isAsked, isRefused, unconfirmed, topics, wanted, end }: Request): void {
    if (isAsked && unconfirmed === 0) end({ isRefused, wanted: topics.slice(0, wanted) });
  }
}
