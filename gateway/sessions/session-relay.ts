// Requests for sessions that another gateway has, over NATS. Each side says again what the other has not answered, so a fault of NATS loses
// and doubles nothing; one that is silent for too long is taken for gone. Pure: bus and clock are handed in.

import type { Bus, BusSubscription } from "../../protocol/bus.ts";
import type { ReceiveBody } from "../../protocol/session.ts";
import {
  encodeSessionQuestion,
  encodeSessionWord,
  parseSessionQuestion,
  parseSessionWord,
  type SessionQuestion,
  type SessionWord,
} from "../../protocol/session-messages.ts";
import type { Subjects } from "../../protocol/subjects.ts";
import type { WaitingClient } from "../uws/waiting-client.ts";
import { PassedRequest } from "./passed-request.ts";
import { RemoteReceiver } from "./remote-receiver.ts";

export interface SessionRelayOptions {
  readonly self: string;
  readonly bus: Pick<Bus, "publish" | "subscribe" | "connected">;
  readonly subjects: Pick<Subjects, "session" | "sessions" | "sessionUnheard">;
  readonly now: () => number;
  /** A request of another gateway receives for a session of this one. @returns false where it is not there any more. */
  readonly receive: (key: string, receive: ReceiveBody, client: WaitingClient) => boolean;
  /** Messages have come there. @returns whether there is somebody to have them. */
  readonly deliver: (key: string, messages: ReadonlyArray<string | Uint8Array>) => boolean;
}

/** What becomes of a request; one of these. */
export interface PassedOutcome {
  /** Nobody has such a session. */
  readonly onMissing: () => void;
  /** Whoever has it does not answer. */
  readonly onSilent: () => void;
}

interface Ask extends PassedOutcome {
  readonly question: SessionQuestion;
  readonly passed: PassedRequest | undefined;
  readonly onDelivered: ((isThere: boolean) => void) | undefined;
  owner: string | undefined;
  readonly beganAt: number;
  askedAt: number;
  heardAt: number;
  /** It is done with, and kept for what may still come of it. */
  isOver: boolean;
}

interface Remote {
  readonly receiver: RemoteReceiver;
  readonly from: string;
  readonly number: number;
  heardAt: number;
  toldAt: number;
}

/** A question that nobody has answered is asked again after so long. */
const repeatMs = 1_000;
/** One that is known to wait is asked again after so long. */
const restMs = 5_000;
/** What was not acknowledged is said again. */
const againMs = 500;
/** Whoever is silent for longer is gone. */
const silentMs = 4 * restMs;
/** A delivery is asked for no longer than this, however long NATS is away; and remembered for longer, so that it is not done twice. */
const deliverMs = 60_000;
const rememberMs = deliverMs + silentMs;
/** After a fault, NATS says for a while that nobody listens who is only late. */
const settleMs = 5_000;
const mostDelivered = 100_000;

export class SessionRelay {
  private readonly options: SessionRelayOptions;
  private readonly asks = new Map<number, Ask>();
  private readonly remotes = new Map<string, Remote>();
  /** What came of deliveries, by gateway and number: they may be asked for again. */
  private readonly delivered = new Map<string, { readonly at: number; readonly isThere: boolean }>();
  private subscriptions: BusSubscription[] = [];
  private last = 0;
  private connectedAt = Number.NEGATIVE_INFINITY;

  constructor(options: SessionRelayOptions) {
    this.options = options;
  }

  begin(): void {
    const { self, bus, subjects } = this.options;
    this.subscriptions = [
      bus.subscribe(subjects.sessions(self), ({ payload }) => this.hear(parseSessionWord(payload))),
      bus.subscribe(subjects.sessionUnheard(self, "*"), ({ subject }) => this.unheard(Number(subject.slice(subject.lastIndexOf(".") + 1)))),
    ];
  }

  end(): void {
    for (const subscription of this.subscriptions) subscription.unsubscribe();
  }

  /** A session of this gateway can be asked for from now on. */
  offer(key: string): BusSubscription {
    const { bus, subjects } = this.options;
    return bus.subscribe(subjects.session(key), ({ payload }) => this.asked(parseSessionQuestion(payload)));
  }

  /** A request is to receive for a session that another gateway may have. @param onBegun told of its answer's status. */
  receive(key: string, receive: ReceiveBody, client: WaitingClient, outcome: PassedOutcome & { onBegun: (status: number) => void }): void {
    const passed = new PassedRequest(client, { onBegun: outcome.onBegun, onTaken: () => this.acknowledge(ask) });
    const ask = this.ask({ key, receive }, { ...outcome, passed, onDelivered: undefined });
    client.onGone = () => this.leave(ask);
  }

  deliver(
    key: string,
    messages: Array<string | Uint8Array>,
    outcome: PassedOutcome & { readonly onDelivered: (isThere: boolean) => void },
  ): void {
    this.ask({ key, deliver: messages }, { ...outcome, passed: undefined });
  }

  reconnected(): void {
    this.connectedAt = this.options.now();
  }

  /** Requests that another gateway may answer, or has answered lately. */
  get waiting(): number {
    return this.asks.size;
  }

  /** To be called several times a second. */
  sweep(): void {
    const { now, bus } = this.options;
    if (!bus.connected) return;
    const at = now();
    for (const ask of this.asks.values()) this.sweepAsk(ask, at);
    for (const [name, remote] of this.remotes) {
      if (at - Math.max(remote.heardAt, this.connectedAt) >= silentMs) remote.receiver.leave();
      if (remote.receiver.isOver) this.remotes.delete(name);
      else if (at - remote.toldAt >= againMs && remote.receiver.repeat()) remote.toldAt = at;
    }
    for (const [name, { at: since }] of this.delivered) {
      if (at - since < rememberMs && this.delivered.size <= mostDelivered) break;
      this.delivered.delete(name);
    }
  }

  // ── the gateway that asks ─────────────────────────────────────────────────────────────────────────────────────────

  private ask(
    what: Omit<SessionQuestion, "from" | "number">,
    options: Pick<Ask, "passed" | "onDelivered" | "onMissing" | "onSilent">,
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
      isOver: false,
    };
    this.asks.set(number, ask);
    this.say(ask);
    return ask;
  }

  private say({ question }: Ask): void {
    const { self, bus, subjects } = this.options;
    bus.publish(subjects.session(question.key), encodeSessionQuestion(question), subjects.sessionUnheard(self, String(question.number)));
  }

  private sweepAsk(ask: Ask, at: number): void {
    const silence = at - Math.max(ask.heardAt, this.connectedAt);
    if (ask.isOver) {
      if (silence >= silentMs) this.asks.delete(ask.question.number);
    } else if (silence >= silentMs || (ask.onDelivered !== undefined && at - ask.beganAt >= deliverMs)) this.settle(ask, ask.onSilent);
    else if (at - ask.askedAt >= (ask.owner === undefined || at - ask.heardAt > restMs ? repeatMs : restMs)) {
      ask.askedAt = at;
      this.say(ask);
    }
  }

  private unheard(number: number): void {
    const ask = this.asks.get(number);
    if (ask === undefined || ask.isOver || this.options.now() - this.connectedAt < settleMs) return;
    this.settle(ask, ask.onMissing);
  }

  private settle(ask: Ask, then: () => void): void {
    ask.isOver = true;
    // Its body is not to stay in memory.
    if (ask.passed === undefined) this.asks.delete(ask.question.number);
    if (ask.passed?.hasBegun) ask.passed.cut();
    else then();
  }

  private acknowledge({ passed, owner, question: { number }, isOver }: Ask): void {
    if (passed === undefined || owner === undefined || isOver) return;
    this.tell(owner, { kind: "ack", from: this.options.self, number, seq: passed.seq, taken: passed.taken });
  }

  private leave(ask: Ask): void {
    ask.isOver = true;
    if (ask.owner !== undefined) this.tell(ask.owner, { kind: "gone", from: this.options.self, number: ask.question.number });
  }

  private takePiece(ask: Ask | undefined, { from, number, seq, piece }: SessionWord & { kind: "piece" }): void {
    const { self } = this.options;
    const { passed } = ask ?? {};
    // Of two that have a session of this key, which NATS' faults may lead to, the first one counts.
    const isOther = ask?.owner !== undefined && ask.owner !== from;
    if (ask === undefined || passed === undefined || isOther || (ask.isOver && !passed.isWhole)) {
      return this.tell(from, { kind: "gone", from: self, number });
    }
    ask.owner = from;
    passed.take(seq, piece);
    this.tell(from, { kind: "ack", from: self, number, seq: passed.seq, taken: passed.taken });
    if (passed.isWhole) ask.isOver = true;
  }

  // ── the gateway that has the session ──────────────────────────────────────────────────────────────────────────────

  private asked({ from, number, key, receive, deliver }: SessionQuestion): void {
    const { self } = this.options;
    const name = `${from}:${number}`;
    if (deliver !== undefined) {
      const known = this.delivered.get(name);
      const isThere = known?.isThere ?? this.options.deliver(key, deliver);
      if (known === undefined) this.delivered.set(name, { at: this.options.now(), isThere });
      return this.tell(from, { kind: "delivered", from: self, number, isThere });
    }
    const remote = this.remotes.get(name);
    if (remote !== undefined) {
      remote.heardAt = this.options.now();
      if (!remote.receiver.repeat()) this.tell(from, { kind: "held", from: self, number });
    } else if (receive !== undefined) this.begun(name, { from, number, key, receive });
  }

  private begun(name: string, { from, number, key, receive }: { from: string; number: number; key: string; receive: ReceiveBody }): void {
    const { self, now } = this.options;
    const receiver = new RemoteReceiver((seq, piece) => {
      remote.toldAt = now();
      this.tell(from, { kind: "piece", from: self, number, seq, piece });
    });
    const remote: Remote = { receiver, from, number, heardAt: now(), toldAt: now() };
    this.remotes.set(name, remote);
    // Where it is not there, nobody offers it any more in a moment: the question comes again, and nobody hears it.
    if (!this.options.receive(key, receive, receiver)) this.remotes.delete(name);
    else this.tell(from, { kind: "held", from: self, number });
  }

  // ── both ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  private hear(word: SessionWord): void {
    const { from, number } = word;
    const now = this.options.now();
    const remote = this.remotes.get(`${from}:${number}`);
    const ask = this.asks.get(number);
    if (word.kind === "ack" || word.kind === "gone") {
      if (remote === undefined) return;
      remote.heardAt = now;
      if (word.kind === "gone") remote.receiver.leave();
      else remote.receiver.acked(word.seq, word.taken);
      if (remote.receiver.isOver) this.remotes.delete(`${from}:${number}`);
      return;
    }
    if (ask !== undefined) ask.heardAt = now;
    if (word.kind === "piece") return this.takePiece(ask, word);
    if (ask === undefined || ask.isOver) {
      // Its client had gone before anybody was known to have the session.
      if (word.kind === "held" && !ask?.passed?.isWhole) this.tell(from, { kind: "gone", from: this.options.self, number });
      return;
    }
    if (word.kind === "held") ask.owner ??= from;
    else this.settle(ask, () => ask.onDelivered?.(word.isThere));
  }

  private tell(gateway: string, word: SessionWord): void {
    const { bus, subjects } = this.options;
    bus.publish(subjects.sessions(gateway), encodeSessionWord(word));
  }
}
