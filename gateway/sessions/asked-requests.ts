// Requests of this gateway's clients for sessions that another one has: asked for until they are answered. Pure: what is said and the clock
// are handed in.

import type { ReceiveBody } from "../../protocol/session.ts";
import { probeNumber, type SessionQuestion, type SessionWord } from "../../protocol/session-messages.ts";
import type { PeerGateway } from "../peer-gateways.ts";
import type { WaitingClient } from "../uws/waiting-client.ts";
import { PassedRequest } from "./passed-request.ts";
import { deliverMs, readMs, repeatMs, restMs, settleMs, silentMs } from "./relay-times.ts";

/** What becomes of a request; one of these. */
export interface PassedOutcome {
  /** Nobody has such a session. */
  readonly onMissing: () => void;
  /** Whoever has it does not answer. */
  readonly onSilent: () => void;
  /** This gateway ends, and there is no answer yet. */
  readonly onRestart: () => void;
}

export interface ReceiveOutcome extends PassedOutcome {
  /** A gateway has the session. */
  readonly onFound: () => void;
  /** Told of its answer's status. */
  readonly onBegun: (status: number) => void;
}

export interface AskedRequestsOptions {
  readonly self: string;
  readonly now: () => number;
  /** To whoever has the session; `unheard` is called where nobody has. */
  readonly publish: (question: SessionQuestion) => void;
  /** Other gateways that may have sessions. */
  readonly peers: () => ReadonlyArray<Pick<PeerGateway, "id" | "heardAt">>;
  /** Says nothing to this gateway; `peerUnheard` is called where it is cut off from NATS, before `unheard` is for what is published later. */
  readonly probe: (peer: string) => void;
  readonly tell: (gateway: string, word: SessionWord) => void;
}

interface Ask extends PassedOutcome {
  readonly question: SessionQuestion;
  readonly passed: PassedRequest | undefined;
  readonly onDelivered: ((isThere: boolean, owner: string) => void) | undefined;
  readonly onFound: (() => void) | undefined;
  owner: string | undefined;
  readonly beganAt: number;
  askedAt: number;
  heardAt: number;
  /** Since when NATS says that nobody has its session. */
  unheardSince: number | undefined;
  /** Other gateways were probed since it was said last. */
  wasProbed: boolean;
}

/** What is kept of a request whose client has all of its answer: the last of it may be said again. */
interface Whole extends Pick<PassedRequest, "seq" | "taken"> {
  readonly owner: string | undefined;
  readonly at: number;
}

const mostWhole = 100_000;

export class AskedRequests {
  private readonly options: AskedRequestsOptions;
  /** Those whose clients wait for an answer, or for its end. */
  private readonly asks = new Map<number, Ask>();
  /** Numbers of deliveries among them, the oldest first. */
  private readonly delivering = new Set<number>();
  /** The oldest first. */
  private readonly whole = new Map<number, Whole>();
  private last: number = probeNumber;
  /** From then on, none is waited for. */
  private endsAt = Number.POSITIVE_INFINITY;
  private connectedAt = Number.NEGATIVE_INFINITY;
  private excusedAt = Number.NEGATIVE_INFINITY;
  /** When other gateways were first found to be cut off from NATS, by id: since they were heard last. */
  private readonly peersAwayAt = new Map<string, number>();

  constructor(options: AskedRequestsOptions) {
    this.options = options;
  }

  /** Those whose clients wait for an answer, or for its end. */
  get waiting(): number {
    return this.asks.size;
  }

  /** This gateway ends in so long: streams end at once, polls with what comes next. */
  drain(withinMs: number): void {
    this.endsAt = this.options.now() + withinMs;
    for (const ask of this.asks.values()) this.acknowledge(ask);
  }

  receive(key: string, receive: ReceiveBody, client: WaitingClient, outcome: ReceiveOutcome): void {
    const onTaken = () => {
      this.acknowledge(ask);
      if (passed.isWhole) this.finish(ask, passed);
    };
    const passed = new PassedRequest(client, { onBegun: outcome.onBegun, onTaken });
    const ask = this.ask({ key, receive }, { ...outcome, passed, onDelivered: undefined });
    client.onGone = () => this.leave(ask);
  }

  deliver(
    key: string,
    messages: Array<string | Uint8Array>,
    outcome: PassedOutcome & { readonly onDelivered: (isThere: boolean, owner: string) => void },
  ): void {
    this.ask({ key, deliver: messages }, { ...outcome, passed: undefined, onFound: undefined });
  }

  reconnected(): void {
    this.connectedAt = this.options.now();
  }

  /** Whoever was silent until now could not be heard. */
  excuse(): void {
    this.excusedAt = this.options.now();
  }

  /** This gateway ends, and waits no longer for answers that may come much later. */
  get isAtEnd(): boolean {
    return this.options.now() >= this.endsAt;
  }

  /**
   * A gateway that ends waits no longer. To be called several times a second, also while NATS is away.
   * @param isConnected If not, nobody can tell what has become of deliveries, either.
   */
  giveUpAtEnd(isConnected: boolean): void {
    if (!this.isAtEnd) return;
    for (const ask of this.asks.values()) {
      if (ask.passed === undefined) {
        if (!isConnected) this.settle(ask, ask.onSilent);
        continue;
      }
      if (ask.owner !== undefined) this.sayGone(ask.owner, ask.question.number, !ask.passed.hasBegun);
      this.settle(ask, ask.onRestart);
    }
  }

  /** To be called several times a second while NATS is there. */
  sweep(): void {
    const at = this.options.now();
    for (const ask of this.asks.values()) this.sweepAsk(ask, at);
    for (const [number, { at: since }] of this.whole) {
      if (at - Math.max(since, this.excusedAt) < silentMs && this.whole.size <= mostWhole) break;
      this.whole.delete(number);
    }
  }

  /**
   * NATS says that nobody has the session that this one is for. In a cluster of NATS servers it says so, too, while the gateway that has it
   * has lost its own server, and is on its way to another one: so it is asked once more, behind a probe of each other gateway.
   */
  unheard(number: number): void {
    const ask = this.asks.get(number);
    const at = this.options.now();
    if (ask === undefined || at - this.connectedAt < settleMs) return;
    ask.unheardSince ??= at;
    const peers = this.options.peers();
    const isPeerAway = peers.some((peer) => at - (this.awayAt(peer) ?? Number.NEGATIVE_INFINITY) < settleMs);
    if (peers.length === 0 || at - ask.unheardSince >= settleMs || (ask.wasProbed && !isPeerAway)) return this.settle(ask, ask.onMissing);
    ask.wasProbed = !isPeerAway;
    // Else it is asked again in a moment, as any that nobody answers.
    if (isPeerAway) return;
    for (const peer of peers) this.options.probe(peer.id);
    this.publish(ask);
  }

  /** NATS says that this gateway, which was probed, does not listen: it is waited for once, until it is heard again. */
  peerUnheard(id: string): void {
    const peers = this.options.peers();
    const peer = peers.find((each) => each.id === id);
    if (peer !== undefined && this.awayAt(peer) === undefined) this.peersAwayAt.set(id, this.options.now());
    for (const known of this.peersAwayAt.keys()) if (!peers.some((each) => each.id === known)) this.peersAwayAt.delete(known);
  }

  /** The gateway that has the session says so. */
  hear(word: SessionWord & { readonly kind: "held" | "delivered" | "piece" }): void {
    const { from, number } = word;
    const ask = this.asks.get(number);
    if (ask !== undefined) {
      ask.heardAt = this.options.now();
      ask.unheardSince = undefined;
    }
    if (word.kind === "piece") return this.takePiece(ask, word);
    if (ask === undefined) {
      // Its client had gone before anybody was known to have the session, or been told that this gateway ends.
      if (word.kind === "held" && !this.whole.has(number)) this.sayGone(from, number, this.isDraining);
      return;
    }
    if (word.kind === "held") {
      this.found(ask, from);
      if (this.isDraining) this.acknowledge(ask);
    } else this.settle(ask, () => ask.onDelivered?.(word.isThere, from));
  }

  private ask(
    what: Omit<SessionQuestion, "from" | "number">,
    options: Pick<Ask, "passed" | "onDelivered" | "onFound" | keyof PassedOutcome>,
  ): Ask {
    const { self, now } = this.options;
    const number = ++this.last;
    const at = now();
    const ask: Ask = {
      ...options,
      question: { from: self, number, ...what },
      owner: undefined,
      beganAt: at,
      askedAt: at,
      heardAt: at,
      unheardSince: undefined,
      wasProbed: false,
    };
    this.asks.set(number, ask);
    if (ask.passed === undefined) this.delivering.add(number);
    this.publish(ask);
    return ask;
  }

  private publish({ question }: Ask): void {
    const [settled = this.last + 1] = this.delivering;
    this.options.publish({ ...question, settled });
  }

  private found(ask: Ask, owner: string): void {
    if (ask.owner !== undefined) return;
    ask.owner = owner;
    ask.onFound?.();
  }

  private sweepAsk(ask: Ask, at: number): void {
    const silence = at - Math.max(ask.heardAt, this.excusedAt);
    if (silence >= silentMs) this.settle(ask, ask.onSilent);
    else if (ask.onDelivered !== undefined && at - ask.beganAt >= deliverMs) {
      // Not asked again, nor given up before what was said meanwhile is read.
      if (at - this.excusedAt >= readMs) this.settle(ask, ask.onSilent);
    } else if (at - ask.askedAt >= (ask.owner === undefined || at - ask.heardAt > restMs ? repeatMs : restMs)) {
      ask.askedAt = at;
      this.publish(ask);
    }
  }

  private awayAt({ id, heardAt }: Pick<PeerGateway, "id" | "heardAt">): number | undefined {
    const awayAt = this.peersAwayAt.get(id);
    return awayAt !== undefined && heardAt <= awayAt ? awayAt : undefined;
  }

  private settle(ask: Ask, then: () => void): void {
    this.asks.delete(ask.question.number);
    this.delivering.delete(ask.question.number);
    if (ask.passed?.hasBegun) ask.passed.cut();
    else then();
  }

  private finish({ question: { number }, owner }: Ask, { seq, taken }: PassedRequest): void {
    if (this.asks.delete(number)) this.whole.set(number, { seq, taken, owner, at: this.options.now() });
  }

  private acknowledge({ passed, owner, question: { number } }: Ask): void {
    if (passed !== undefined && owner !== undefined) this.sayTaken(owner, number, passed);
  }

  private sayTaken(owner: string, number: number, { seq, taken }: Pick<PassedRequest, "seq" | "taken">): void {
    const { self, tell } = this.options;
    tell(owner, { kind: "ack", from: self, number, seq, taken, ...(this.isDraining && { leaves: true }) });
  }

  private sayGone(owner: string, number: number, leaves = false): void {
    const { self, tell } = this.options;
    tell(owner, { kind: "gone", from: self, number, ...(leaves && { leaves }) });
  }

  private get isDraining(): boolean {
    return this.endsAt !== Number.POSITIVE_INFINITY;
  }

  private leave(ask: Ask): void {
    if (this.asks.delete(ask.question.number) && ask.owner !== undefined) this.sayGone(ask.owner, ask.question.number);
  }

  private takePiece(ask: Ask | undefined, { from, number, seq, piece }: SessionWord & { kind: "piece" }): void {
    const whole = this.whole.get(number);
    if (whole?.owner === from) return this.sayTaken(from, number, whole);
    const { passed } = ask ?? {};
    // Of two that have a session of this key, which NATS' faults may lead to, the first one counts.
    const isOther = ask?.owner !== undefined && ask.owner !== from;
    if (ask === undefined || passed === undefined || isOther) return this.sayGone(from, number, this.isDraining);
    this.found(ask, from);
    passed.take(seq, piece);
    this.sayTaken(from, number, passed);
    if (passed.isWhole) this.finish(ask, passed);
  }
}
