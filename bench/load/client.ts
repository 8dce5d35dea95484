// A connection and what it has sent and heard: each of its messages has to come once, in order, whole.

import { Sequence } from "../../testbed/sequence.ts";
import { Connection, type ConnectionListener, type Endpoint } from "./connection.ts";
import type { Meter } from "./meter.ts";
import type { OutgoingFrames } from "./outgoing-frames.ts";

/** What is done with what is heard. */
export interface Ears {
  onMessage(number: number, stamp: number): void;
  /** Everything that came together has been heard. */
  onRead(): void;
}

export interface ClientContext {
  readonly frames: OutgoingFrames;
  /** Of all connections. */
  readonly buffer: Uint8Array;
  readonly meter: Meter;
  readonly payloadBytes: number;
  readonly onOpen: () => void;
  readonly onGreeting: () => void;
  readonly onRefused: (why: string) => void;
}

export class Client implements ConnectionListener {
  /** The number of the next message. */
  sent = 0;
  readonly heard = new Sequence(0);
  ears: Ears | undefined;
  private isOpen = false;
  private readonly connection: Connection;
  private readonly context: ClientContext;

  constructor(endpoint: Endpoint, context: ClientContext) {
    this.context = context;
    this.connection = new Connection(endpoint, { listener: this, buffer: context.buffer });
  }

  send(count: number, stamp: number): void {
    const { frames } = this.context;
    if (!this.connection.write(frames.numbered(this.sent, count, stamp))) frames.leave();
    this.sent += count;
  }

  leave(): void {
    this.connection.leave();
  }

  onOpen(): void {
    this.isOpen = true;
    this.context.onOpen();
  }

  onMessage(number: number, stamp: number, payloadBytes: number): void {
    if (payloadBytes !== this.context.payloadBytes) {
      if (number === -1 && this.heard.last === -1) this.context.onGreeting();
      else this.context.meter.malformed++;
      return;
    }
    this.heard.take(number);
    this.context.meter.messages++;
    this.ears?.onMessage(number, stamp);
  }

  onRead(): void {
    this.ears?.onRead();
  }

  onMalformed(): void {
    this.context.meter.malformed++;
  }

  onEnd(why: string): void {
    if (this.isOpen) this.context.meter.disconnected++;
    else this.context.onRefused(why);
  }
}
