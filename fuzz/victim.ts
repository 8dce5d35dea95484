// A well-behaved client: whatever others send, it is let in, stays, and is answered.

import { WebSocket } from "ws";
import { stretchedMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";

const patienceMs = 10_000;

export class Victim {
  private readonly url: string;
  private socket: WebSocket | undefined;
  private closed: string | undefined;
  private sent = 0;
  private heard = "0";
  private readonly signal = new Signal();

  constructor(url: string) {
    this.url = url;
  }

  /** @throws where it was closed, or has no answer. After that it connects again. */
  async echo(): Promise<void> {
    try {
      if (this.socket === undefined) await this.connect();
      this.sent++;
      this.socket?.send(String(this.sent));
      await this.until(() => this.heard === String(this.sent), "its echo");
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.socket?.terminate();
    this.socket = undefined;
  }

  private async connect(): Promise<void> {
    const socket = new WebSocket(`${this.url}/echo`, { perMessageDeflate: false });
    this.socket = socket;
    this.closed = undefined;
    socket.on("open", () => this.signal.tell());
    socket.on("error", () => undefined);
    socket.on("message", (data: Buffer) => {
      this.heard = data.toString();
      this.signal.tell();
    });
    socket.on("close", (code, reason) => {
      if (socket === this.socket) this.closed = `${code} ${reason.toString()}`;
      this.signal.tell();
    });
    await this.until(() => socket.readyState === WebSocket.OPEN, "to be let in");
  }

  private async until(isSo: () => boolean, what: string): Promise<void> {
    await this.signal.until(() => isSo() || this.closed !== undefined, `the victim waits for ${what}`, stretchedMs(patienceMs));
    if (!isSo()) throw new Error(`the victim was closed with ${this.closed} while it waited for ${what}`);
  }
}
