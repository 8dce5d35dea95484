// A client of the load: a raw connection that says what a real client library would, and knows the numbers of the messages it gets.

import { Connection, type ConnectionListener } from "../load/connection.ts";
import type { PayloadHead } from "../load/frame-reader.ts";
import { headerOf } from "../load/outgoing-frames.ts";
import type { TextFrames } from "./text-frames.ts";

/** How a client of a protocol comes to the messages that are measured. */
export interface Opening {
  readonly path: string;
  readonly subprotocol?: string;
  /** What the client says, one after the other, each behind the server's answer to the one before; "": nothing. */
  readonly steps: readonly string[];
  /** What the messages that count begin with. */
  readonly head: PayloadHead;
}

/** What all clients of a load count together. */
export interface Tally {
  readonly buffer: Uint8Array;
  /** Connections that the server has let in, to the last step. */
  ready: number;
  malformed: number;
  disconnected: number;
  refusal: string | undefined;
}

export class Speaker implements ConnectionListener {
  /** Of each message that counts. */
  onNumber: (number: number, payloadBytes: number) => void = () => undefined;
  /** Everything that came together has been heard. */
  onRead: () => void = () => undefined;
  private readonly connection: Connection;
  private readonly tally: Tally;
  private readonly steps: readonly string[];
  private step = 0;

  constructor({ host, port }: { host: string; port: number }, { path, subprotocol, steps, head }: Opening, tally: Tally) {
    this.steps = steps;
    this.tally = tally;
    this.connection = new Connection({ host, port, path, subprotocol }, { listener: this, buffer: tally.buffer, head });
  }

  say(frames: TextFrames): void {
    if (!this.connection.write(frames.take())) frames.leave();
  }

  leave(): void {
    this.connection.leave();
  }

  onOpen(): void {
    this.saySome(this.steps[0] ?? "");
  }

  onMessage(number: number, _stamp: number, payloadBytes: number): void {
    if (number !== -1) return this.onNumber(number, payloadBytes);
    if (this.isReady) this.tally.malformed++;
    else this.next();
  }

  onMalformed(): void {
    this.tally.malformed++;
  }

  onEnd(why: string): void {
    if (this.isReady) this.tally.disconnected++;
    else this.tally.refusal = `${why}, after ${this.step} of ${this.steps.length} answers`;
  }

  private get isReady(): boolean {
    return this.step === this.steps.length;
  }

  private next(): void {
    this.step++;
    if (this.isReady) this.tally.ready++;
    else this.saySome(this.steps[this.step] ?? "");
  }

  private saySome(text: string): void {
    if (text !== "") this.connection.write(Buffer.concat([headerOf(text.length), Buffer.from(text)]));
  }
}
