// A connection that keeps all that it hears.

import { WebSocket } from "ws";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";

export class Listener {
  readonly heard: Array<{ readonly text: string; readonly at: number }> = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  private readonly signal = new Signal();
  private readonly socket: WebSocket;

  private constructor(url: string) {
    this.socket = new WebSocket(url, { perMessageDeflate: false });
    this.socket.on("message", (data: Buffer) => {
      this.heard.push({ text: data.toString(), at: performance.now() });
      this.signal.tell();
    });
    this.socket.on("open", () => this.signal.tell());
    this.socket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.signal.tell();
    });
    // The close tells.
    this.socket.on("error", () => undefined);
  }

  static async open(url: string): Promise<Listener> {
    const listener = new Listener(url);
    await listener.until(() => listener.socket.readyState === WebSocket.OPEN, `${url} opens`);
    return listener;
  }

  send(text: string): void {
    this.socket.send(text);
  }

  /** @throws where it is closed, or it takes too long. */
  async until(isSo: () => boolean, what: string): Promise<void> {
    await this.signal.until(() => isSo() || this.closed !== undefined, what, patienceMs);
    if (!isSo()) throw new Error(`closed with ${this.closed?.code} ${this.closed?.reason} before: ${what}`);
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.signal.until(() => this.closed !== undefined, "a connection closes", patienceMs);
  }
}
