// Asks NATS for the topics that turns subscribe to: a bounded number at a time, a few of each connection in turn. Connections that have
// more than a few get further ones at a bounded rate, which all of them share. So clients that make a handler subscribe to a thousand
// topics each take a small part of the event loop's time, and of NATS's, and another one's first topic waits for milliseconds. Counts
// them, and grants none beyond the gateway's limits. Pure, but for the topics.

import { runSlices, type Slices } from "../process/time-slice.ts";
import type { TopicOwner, Topics } from "./topics.ts";

export interface InterestLimits {
  /** Topics that have a subscriber here: each is a subscription of NATS. */
  readonly topics: number;
  /** Topics of all connections. */
  readonly subscriptions: number;
}

export interface PacedInterestOptions extends Pick<Slices, "now" | "later"> {
  readonly after: (ms: number, run: () => void) => void;
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
  /** So many others its connection has. */
  readonly had: number;
  readonly owner: TopicOwner | undefined;
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
/** So many of one connection, before it is another one's turn. So many topics are few. */
const share = 32;
/** For all connections that have more than a few. Each topic takes 0.1 ms of the gateway's time, with the turn that wants it. */
const furtherPerSecond = 2_000;
/** So much of a rate may come at once. Timers are no more exact. */
const tickMs = 10;
/** Of all topics of the gateway, what one owner may have: an address cannot take them all from the others. */
const ownerShare = 1 / 4;
/** How long a slice of what is released may hold up the event loop: nobody waits for it. */
const releaseSliceMs = 1;

export class PacedInterest {
  private readonly options: PacedInterestOptions;
  private readonly requests: Request[] = [];
  /** Those of connections that have more than a few topics. */
  private readonly further: Request[] = [];
  /** When the next one of them may be asked for, by `now`. */
  private furtherAt = Number.NEGATIVE_INFINITY;
  private isPaused = false;
  private readonly releasing: Array<Iterable<string>> = [];
  private unconfirmed = 0;

  constructor(options: PacedInterestOptions) {
    this.options = options;
  }

  /**
   * Wants topics for a turn that is about to subscribe to them.
   * @param had how many its connection has.
   * @param owner may have a share of the gateway's topics only; undefined: as many as there may be.
   * @returns ready: everything that is published to them from now on arrives here, and nothing is to be released. refused: they are too
   * many. Else what to wait for; never rejects.
   */
  ask(topics: readonly string[], had: number, isWanted: () => boolean, owner?: TopicOwner): "ready" | "refused" | Promise<Granted> {
    if (topics.every((topic) => this.options.topics.isConfirmed(topic))) {
      return this.options.topics.subscriptions + topics.length > this.options.limits.subscriptions ? "refused" : "ready";
    }
    return new Promise((end) => {
      this.queue({ topics, isWanted, had, owner, wanted: 0, unconfirmed: 0, isAsked: false, isRefused: false, end });
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
    if (this.releasing.length === 1) runSlices(this.releaseAll(), { ...this.options, sliceMs: releaseSliceMs });
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

  private queue(request: Request): void {
    (request.had + request.wanted < share ? this.requests : this.further).push(request);
  }

  private step(): void {
    let asked = 0;
    while (this.unconfirmed < window && asked < window) {
      const request = this.requests.shift() ?? this.takeFurther();
      if (request === undefined) return;
      asked += share;
      this.askSome(request);
      if (!request.isAsked) this.queue(request);
    }
    // Those that are known already have nothing to wait for.
    if (this.unconfirmed === 0) this.options.later(() => this.step());
  }

  private takeFurther(): Request | undefined {
    if (this.further.length === 0 || this.isPaused) return undefined;
    const now = this.options.now();
    this.furtherAt = Math.max(this.furtherAt, now - tickMs);
    if (this.furtherAt <= now) return this.further.shift();
    this.isPaused = true;
    this.options.after(this.furtherAt - now + tickMs, () => {
      this.isPaused = false;
      this.step();
    });
    return undefined;
  }

  private askSome(request: Request): void {
    const { topics } = request;
    const to = request.isWanted() ? Math.min(topics.length, request.wanted + share) : request.wanted;
    const waits: Promise<void>[] = [];
    const { wanted } = request;
    const before = this.options.topics.size;
    while (request.wanted < to && !request.isRefused) {
      const topic = topics[request.wanted] as string;
      if (this.isFullFor(topic, request.owner)) {
        request.isRefused = true;
        break;
      }
      const confirmed = this.options.topics.want(topic, request.owner);
      request.wanted++;
      if (confirmed !== undefined) waits.push(confirmed);
    }
    // Those that others have here cost next to nothing.
    if (request.had + wanted >= share) this.furtherAt += ((this.options.topics.size - before) * 1_000) / furtherPerSecond;
    request.isAsked = request.isRefused || request.wanted === topics.length || !request.isWanted();
    request.unconfirmed += waits.length;
    this.unconfirmed += waits.length;
    if (waits.length === 0) this.endIfDone(request);
    else void Promise.all(waits).then(() => this.confirmed(request, waits.length));
  }

  private isFullFor(topic: string, owner: TopicOwner | undefined): boolean {
    const { topics, limits } = this.options;
    if (topics.subscriptions >= limits.subscriptions) return true;
    const isShareTaken = owner !== undefined && owner.topics >= limits.topics * ownerShare;
    return (isShareTaken || topics.size >= limits.topics) && !topics.has(topic);
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
