// One connection of the victim: numbers its messages, and expects each of them back, once and in order.

import { WebSocket } from "ws";
import { Sequence } from "../../testbed/sequence.ts";

export class Echoes {
  closed: string | undefined;
  readonly opened: Promise<void>;
  readonly sequence = new Sequence(1);
  sent = 0;
  private readonly socket: WebSocket;
  /** When each message was sent whose echo is owed. */
  private readonly owed = new Map<number, number>();
  private times: number[] = [];

  constructor(url: string) {
    this.socket = new WebSocket(`${url}/echo`, { perMessageDeflate: false });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once("open", resolve);
      this.socket.once("error", reject);
    });
    // The close tells.
    this.socket.on("error", () => undefined);
    this.socket.on("message", (data: Buffer) => this.hear(Number(data.toString())));
    this.socket.once("close", (code, reason) => {
      this.closed = `${code} ${reason.toString()}`.trimEnd();
    });
  }

  send(): void {
    if (this.closed !== undefined) return;
    this.sent++;
    this.owed.set(this.sent, performance.now());
    this.socket.send(String(this.sent));
  }

  /** All since the last call; what is owed counts with how long it has been. */
  takeTimes(): number[] {
    const now = performance.now();
    const { times } = this;
    this.times = [];
    return [...times, ...[...this.owed.values()].map((at) => now - at)];
  }

  get isSettled(): boolean {
    return this.owed.size === 0 || this.closed !== undefined;
  }

  leave(): void {
    this.socket.close();
  }

  private hear(number: number): void {
    this.sequence.take(number);
    const at = this.owed.get(number);
    this.owed.delete(number);
    if (at !== undefined) this.times.push(performance.now() - at);
  }
}
