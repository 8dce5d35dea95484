// Clients that come back at once when they are disconnected, as real ones do, and remember what that took.

import { WebSocket } from "ws";
import { patienceMs } from "../../testbed/patience.ts";
import { Signal } from "../../testbed/signal.ts";

interface Return {
  /** What the close before said. */
  readonly code: number;
  /** Attempts that were refused before one was not. */
  readonly failures: number;
  readonly awayMs: number;
}

class ReconnectingClient {
  readonly returns: Return[] = [];
  isOpen = false;
  private socket: WebSocket;
  private isLeaving = false;
  private left: { code: number; at: number; failures: number } | undefined;
  private readonly url: string;
  private readonly signal: Signal;

  constructor(url: string, signal: Signal) {
    this.url = url;
    this.signal = signal;
    this.socket = this.connect();
  }

  close(): void {
    this.isLeaving = true;
    this.socket.close(1000);
  }

  private connect(): WebSocket {
    const socket = new WebSocket(this.url);
    let wasOpen = false;
    socket.on("open", () => {
      wasOpen = true;
      this.isOpen = true;
      if (this.left !== undefined) {
        const { code, failures, at } = this.left;
        this.returns.push({ code, failures, awayMs: performance.now() - at });
      }
      this.left = undefined;
      this.signal.tell();
    });
    // The close tells.
    socket.on("error", () => undefined);
    socket.on("close", (code) => {
      this.isOpen = false;
      if (wasOpen) this.left = { code, at: performance.now(), failures: 0 };
      else if (this.left !== undefined) this.left.failures++;
      this.signal.tell();
      if (!this.isLeaving) this.socket = this.connect();
    });
    return socket;
  }
}

export class Reconnecting {
  readonly clients: ReconnectingClient[];
  private readonly signal = new Signal();

  private constructor(url: string, count: number) {
    this.clients = Array.from({ length: count }, () => new ReconnectingClient(url, this.signal));
  }

  static async open(url: string, count: number): Promise<Reconnecting> {
    const all = new Reconnecting(url, count);
    await all.back();
    return all;
  }

  /** Resolves when all are connected. */
  back(): Promise<void> {
    return this.signal.until(() => this.clients.every(({ isOpen }) => isOpen), "all are connected again", patienceMs);
  }

  /** What has happened since the last time this was asked, by client. */
  takeReturns(): Return[][] {
    return this.clients.map(({ returns }) => returns.splice(0));
  }

  async close(): Promise<void> {
    for (const client of this.clients) client.close();
    await this.signal.until(() => this.clients.every(({ isOpen }) => !isOpen), "all are closed", patienceMs);
  }
}
