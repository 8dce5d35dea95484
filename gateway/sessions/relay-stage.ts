// Two gateways, one of which has the session "k", for tests of what they say to each other.

import type { BusMessage } from "../../protocol/bus.ts";
import type { ReceiveBody } from "../../protocol/session.ts";
import { subjectsOf } from "../../protocol/subjects.ts";
import type { WaitingClient } from "../uws/waiting-client.ts";
import { FakeClient } from "./fake-client.ts";
import { Receiver } from "./receiver.ts";
import { SessionRelay } from "./session-relay.ts";
import { SessionSocket } from "./session-socket.ts";
import { SessionTopics } from "./session-topics.ts";

const subjects = subjectsOf("test");
export const receive: ReceiveBody = {
  status: 200,
  headers: [],
  mode: "poll",
  maxBytes: 1_000_000,
  after: "\n",
  missing: { status: 404, headers: [], body: Buffer.from("missing") },
  busy: { response: { status: 409, headers: [], body: Buffer.from("busy") } },
};

/** Two gateways; what they say to each other may be lost. One of them has the session "k". */
export class Stage {
  at = 0;
  loses: () => boolean = () => false;
  isConnected = true;
  /** Another gateway that has died, as the one that asks knows it. */
  dead: Array<{ id: string; heardAt: number }> = [];
  /** Since when the one that has the session is not heard. */
  private cutAt: number | undefined;
  readonly delivered: string[] = [];
  readonly closes: number[] = [];
  readonly socket: SessionSocket;
  readonly asking: SessionRelay;
  readonly owning: SessionRelay;
  readonly subscription: { unsubscribe(): void };
  private readonly listeners = new Map<string, (message: BusMessage) => void>();
  private readonly soon: Array<() => void> = [];

  constructor() {
    const now = () => this.at;
    const isConnected = () => this.isConnected;
    const bus = {
      get connected() {
        return isConnected();
      },
      publish: (subject: string, payload: Uint8Array, unheardTo?: string) => {
        if (this.loses()) return;
        this.soon.push(() => this.hear(subject, payload, unheardTo));
      },
      subscribe: (subject: string, listener: (message: BusMessage) => void) => {
        this.listeners.set(subject, listener);
        return { unsubscribe: () => this.listeners.delete(subject) };
      },
    };
    this.socket = new SessionSocket({
      ...{ idleMs: 1_000_000, linger: { ms: 500, repeatLast: false }, limitBytes: Number.POSITIVE_INFINITY, now },
      unansweredSince: () => Number.POSITIVE_INFINITY,
      later: (run) => this.soon.push(run),
      topics: new SessionTopics(),
      publishToSockets: () => undefined,
      onHeard: () => undefined,
      onClose: (code) => this.closes.push(code),
    });
    const relay = (self: string) =>
      new SessionRelay({
        ...{ self, bus, subjects, now },
        peers: () =>
          self === "asking" ? [{ id: "owning", heardAt: this.cutAt ?? this.at }, ...this.dead] : [{ id: "asking", heardAt: this.at }],
        receive: (_key, body, client: WaitingClient) => {
          const receiver = new Receiver({ receive: body, client, onBegun: () => undefined });
          this.socket.receive(receiver);
          return receiver;
        },
        deliver: (_key, messages) => this.delivered.push(...messages.map(String)) > 0,
      });
    this.asking = relay("asking");
    this.owning = relay("owning");
    this.asking.begin();
    this.owning.begin();
    this.subscription = this.owning.listenFor("k");
  }

  /** Everything that is under way arrives. */
  settle(): void {
    for (let run = this.soon.shift(); run !== undefined; run = this.soon.shift()) run();
  }

  after(ms: number): void {
    for (let passed = 0; passed < ms; passed += 250) {
      this.at += 250;
      this.asking.sweep();
      this.owning.sweep();
      this.settle();
    }
  }

  ask(body: Partial<ReceiveBody> = {}, client = new FakeClient()): FakeClient & { outcome?: string } {
    const told: FakeClient & { outcome?: string } = client;
    this.asking.asked.receive("k", { ...receive, ...body }, client, {
      onMissing: () => {
        told.outcome = "missing";
      },
      onSilent: () => {
        told.outcome = "silent";
      },
      onRestart: () => {
        told.outcome = "restart";
      },
      onFound: () => undefined,
      onBegun: () => undefined,
    });
    this.settle();
    return told;
  }

  send(text: string): void {
    this.socket.send(Buffer.from(text), false);
  }

  /** The other gateway has lost its NATS server. @returns what has it back. */
  cutOff(): () => void {
    const lost = [subjects.session("k"), subjects.sessions("owning")].map((subject) => [subject, this.listeners.get(subject)] as const);
    for (const [subject] of lost) this.listeners.delete(subject);
    this.cutAt = this.at;
    return () => {
      this.cutAt = undefined;
      for (const [subject, listener] of lost) if (listener !== undefined) this.listeners.set(subject, listener);
    };
  }

  private hear(subject: string, payload: Uint8Array, unheardTo: string | undefined): void {
    const listener = this.listeners.get(subject);
    if (listener !== undefined) listener({ subject, payload, isUnheard: false, header: () => undefined });
    else if (unheardTo !== undefined) {
      const pattern = unheardTo.replace(/[^.]+$/, "*");
      this.listeners.get(pattern)?.({ subject: unheardTo, payload: new Uint8Array(0), isUnheard: true, header: () => undefined });
    }
  }
}

/** Messages for the session, as a request there brings them. */
export function deliver(stage: Stage, message = "once"): { outcome?: string } {
  const told: { outcome?: string } = {};
  const says = (outcome: string) => () => {
    told.outcome = outcome;
  };
  stage.asking.asked.deliver("k", [message], {
    ...{ onMissing: says("missing"), onSilent: says("silent"), onRestart: says("restart"), onDelivered: says("delivered") },
  });
  stage.settle();
  return told;
}
