// Requests for this gateway's sessions that have reached another one: each is done once, however often it is asked for, and its answer is
// said again until it has arrived. Pure: what is said and the clock are handed in.

import type { ReceiveBody } from "../../protocol/session.ts";
import type { SessionQuestion, SessionWord } from "../../protocol/session-messages.ts";
import type { WaitingClient } from "../uws/waiting-client.ts";
import { DoneDeliveries } from "./done-deliveries.ts";
import type { Receiver } from "./receiver.ts";
import { againMs, silentMs } from "./relay-times.ts";
import { RemoteReceiver } from "./remote-receiver.ts";

export interface RequestsFromOthersOptions {
  readonly self: string;
  readonly now: () => number;
  readonly tell: (gateway: string, word: SessionWord) => void;
  /** A request of another gateway receives for a session of this one. @returns undefined where it is not there any more. */
  readonly receive: (key: string, receive: ReceiveBody, client: WaitingClient) => Pick<Receiver, "endStream" | "giveUp"> | undefined;
  /** Messages have come there. @returns whether there is somebody to have them. */
  readonly deliver: (key: string, messages: ReadonlyArray<string | Uint8Array>) => boolean;
}

interface Remote {
  readonly client: RemoteReceiver;
  receiver: ReturnType<RequestsFromOthersOptions["receive"]>;
  heardAt: number;
  toldAt: number;
}

export class RequestsFromOthers {
  private readonly options: RequestsFromOthersOptions;
  private readonly remotes = new Map<string, Remote>();
  private readonly delivered: DoneDeliveries;
  private excusedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RequestsFromOthersOptions) {
    this.options = options;
    this.delivered = new DoneDeliveries(options.now);
  }

  /** Those whose answers have not arrived whole. */
  get waiting(): number {
    return this.remotes.size;
  }

  /** Whoever was silent until now could not be heard. */
  excuse(): void {
    this.excusedAt = this.options.now();
  }

  /** To be called several times a second while NATS is there. */
  sweep(): void {
    const at = this.options.now();
    for (const [name, remote] of this.remotes) {
      if (at - Math.max(remote.heardAt, this.excusedAt) >= silentMs) remote.client.silent();
      if (remote.client.isOver) this.remotes.delete(name);
      else if (at - remote.toldAt >= againMs && remote.client.repeat()) remote.toldAt = at;
    }
    this.delivered.sweep(this.excusedAt);
  }

  asked({ from, number, key, receive, deliver, settled = 0 }: SessionQuestion): void {
    const { self, now, tell } = this.options;
    this.delivered.settled(from, settled);
    if (deliver !== undefined) return this.deliverOnce(key, { from, number }, deliver);
    const name = `${from}:${number}`;
    const remote = this.remotes.get(name);
    if (remote !== undefined) {
      remote.heardAt = now();
      if (!remote.client.repeat()) tell(from, { kind: "held", from: self, number });
    } else if (receive !== undefined) this.begun(name, { from, number, key, receive });
  }

  /** The gateway that has asked says so. */
  hear(word: SessionWord & { readonly kind: "ack" | "gone" }): void {
    const name = `${word.from}:${word.number}`;
    const remote = this.remotes.get(name);
    if (remote === undefined) return;
    remote.heardAt = this.options.now();
    if (word.kind === "ack") {
      remote.client.acked(word.seq, word.taken);
      if (word.leaves) remote.receiver?.endStream();
    } else if (word.leaves) remote.receiver?.giveUp();
    if (word.kind === "gone") remote.client.leave();
    if (remote.client.isOver) this.remotes.delete(name);
  }

  private deliverOnce(key: string, { from, number }: { from: string; number: number }, messages: ReadonlyArray<string | Uint8Array>): void {
    const { self, deliver, tell } = this.options;
    const known = this.delivered.find(from, number);
    // Not answered, it is asked for again: done now and forgotten, it would be done twice.
    if (known === undefined && this.delivered.isFullFor(from)) return;
    const isThere = known ?? deliver(key, messages);
    if (known === undefined) this.delivered.add(from, number, isThere);
    tell(from, { kind: "delivered", from: self, number, isThere });
  }

  private begun(name: string, { from, number, key, receive }: { from: string; number: number; key: string; receive: ReceiveBody }): void {
    const { self, now, tell } = this.options;
    const client = new RemoteReceiver((seq, piece) => {
      remote.toldAt = now();
      tell(from, { kind: "piece", from: self, number, seq, piece });
    });
    const remote: Remote = { client, receiver: undefined, heardAt: now(), toldAt: now() };
    this.remotes.set(name, remote);
    remote.receiver = this.options.receive(key, receive, client);
    // Where it is not there, nobody listens for it any more in a moment: the question comes again, and nobody hears it.
    if (remote.receiver === undefined) this.remotes.delete(name);
    else tell(from, { kind: "held", from: self, number });
  }
}
