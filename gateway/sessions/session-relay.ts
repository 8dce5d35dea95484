// Requests for sessions that another gateway has, over NATS. Each side says again what the other has not answered, so a fault of NATS loses
// and doubles nothing; one that is silent for too long is taken for gone. Pure: bus and clock are handed in.

import type { Bus, BusSubscription } from "../../protocol/bus.ts";
import {
  encodeSessionQuestion,
  encodeSessionWord,
  parseSessionQuestion,
  parseSessionWord,
  probeNumber,
  type SessionQuestion,
  type SessionWord,
} from "../../protocol/session-messages.ts";
import type { Subjects } from "../../protocol/subjects.ts";
import { AskedRequests, type AskedRequestsOptions } from "./asked-requests.ts";
import { RequestsFromOthers, type RequestsFromOthersOptions } from "./requests-from-others.ts";

export interface SessionRelayOptions extends Omit<RequestsFromOthersOptions, "tell"> {
  readonly bus: Pick<Bus, "publish" | "subscribe" | "connected">;
  readonly subjects: Pick<Subjects, "session" | "sessions" | "sessionUnheard">;
  readonly peers: AskedRequestsOptions["peers"];
}

export class SessionRelay {
  /** Of this gateway's clients. */
  readonly asked: AskedRequests;
  /** For this gateway's sessions. */
  private readonly fromOthers: RequestsFromOthers;
  private readonly options: SessionRelayOptions;
  private subscriptions: BusSubscription[] = [];

  constructor(options: SessionRelayOptions) {
    this.options = options;
    const { self, now, peers } = options;
    const tell = (gateway: string, word: SessionWord) => this.tell(gateway, word);
    const publish = (question: SessionQuestion) => this.ask(question);
    this.asked = new AskedRequests({ self, now, peers, tell, publish, probe: (peer) => this.probe(peer) });
    this.fromOthers = new RequestsFromOthers({ ...options, tell });
  }

  begin(): void {
    const { self, bus, subjects } = this.options;
    this.subscriptions = [
      bus.subscribe(subjects.sessions(self), ({ payload }) => this.hear(parseSessionWord(payload))),
      bus.subscribe(subjects.sessionUnheard(self, "*"), ({ subject }) => this.unheard(subject.slice(subject.lastIndexOf(".") + 1))),
    ];
  }

  /** Requests, of this gateway's clients and for its sessions, that are not answered whole, and are waited for. */
  get waiting(): number {
    const isGivenUp = this.asked.isAtEnd && !this.options.bus.connected;
    return this.asked.waiting + (isGivenUp ? 0 : this.fromOthers.waiting);
  }

  end(): void {
    for (const subscription of this.subscriptions) subscription.unsubscribe();
  }

  /** A session of this gateway can be asked for from now on. */
  listenFor(key: string): BusSubscription {
    const { bus, subjects } = this.options;
    return bus.subscribe(subjects.session(key), ({ payload }) => this.fromOthers.asked(parseSessionQuestion(payload)));
  }

  /** NATS is back. */
  reconnected(): void {
    this.asked.reconnected();
    this.excuse();
  }

  /** This gateway, or NATS, has stood still: whoever was silent until now could not be heard. */
  excuse(): void {
    this.asked.excuse();
    this.fromOthers.excuse();
  }

  /** To be called several times a second. */
  sweep(): void {
    this.asked.giveUpAtEnd(this.options.bus.connected);
    if (!this.options.bus.connected) return;
    this.asked.sweep();
    this.fromOthers.sweep();
  }

  private hear(word: SessionWord): void {
    if (word.kind === "ack" || word.kind === "gone") this.fromOthers.hear(word);
    else this.asked.hear(word);
  }

  /** @param what The number of a question, or a gateway that was probed. */
  private unheard(what: string): void {
    if (/^\d+$/.test(what)) this.asked.unheard(Number(what));
    else this.asked.peerUnheard(what);
  }

  // It means nothing to gateways of any version.
  private probe(peer: string): void {
    const { self, bus, subjects } = this.options;
    bus.publish(
      subjects.sessions(peer),
      encodeSessionWord({ kind: "gone", from: self, number: probeNumber }),
      subjects.sessionUnheard(self, peer),
    );
  }

  private ask(question: SessionQuestion): void {
    const { self, bus, subjects } = this.options;
    bus.publish(subjects.session(question.key), encodeSessionQuestion(question), subjects.sessionUnheard(self, String(question.number)));
  }

  private tell(gateway: string, word: SessionWord): void {
    const { bus, subjects } = this.options;
    bus.publish(subjects.sessions(gateway), encodeSessionWord(word));
  }
}
