// A real WebSocket client that remembers all it was told.

import type { LookupFunction } from "node:net";
import { WebSocket } from "ws";
import { patienceMs } from "../testbed/patience.ts";

export interface ClientOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly subprotocols?: readonly string[];
  /** Of wss:// */
  readonly tls?: { readonly rejectUnauthorized: boolean; readonly localAddress?: string; readonly lookup?: LookupFunction };
}

export class TestClient {
  readonly socket: WebSocket;
  /** Text frames as strings, binary frames as buffers, in order. */
  readonly received: Array<string | Buffer> = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  private error: Error | undefined;
  private openedAt = 0;
  private openMs = 0;
  private readonly listeners = new Set<() => void>();

  constructor(url: string, options: ClientOptions = {}) {
    this.socket = new WebSocket(url, [...(options.subprotocols ?? [])], { headers: { ...options.headers }, ...options.tls });
    this.socket.on("message", (data: Buffer, isBinary) => {
      this.received.push(isBinary ? data : data.toString());
      this.tell();
    });
    this.socket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.openMs = Math.round(performance.now() - this.openedAt);
      this.tell();
    });
    this.socket.on("open", () => {
      this.openedAt = performance.now();
      this.tell();
    });
    // What went wrong is told by the close, or where it never opened, by this.
    this.socket.on("error", (error) => {
      this.error = error;
    });
  }

  /** Resolves when it is open. */
  static async open(url: string, options: ClientOptions = {}): Promise<TestClient> {
    const client = new TestClient(url, options);
    await client.opened();
    return client;
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** What was received, parsed. */
  get values(): unknown[] {
    return this.received.map((frame) => JSON.parse(frame.toString()) as unknown);
  }

  opened(): Promise<void> {
    return this.until(() => this.isOpen || this.closed !== undefined, "the connection opens");
  }

  send(data: string | Uint8Array | object): void {
    this.socket.send(typeof data === "string" || data instanceof Uint8Array ? data : JSON.stringify(data));
  }

  receives(count: number): Promise<void> {
    return this.until(() => this.received.length >= count, `${count} messages arrive`);
  }

  async closes(): Promise<{ readonly code: number; readonly reason: string }> {
    await this.until(() => this.closed !== undefined, "the connection closes");
    return this.closed ?? { code: 0, reason: "" };
  }

  async close(code = 1000, reason = ""): Promise<void> {
    this.socket.close(code, reason);
    await this.closes();
  }

  /** Breaks off without a close frame. */
  breakOff(): void {
    this.socket.terminate();
  }

  until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.listeners.delete(check);
        const seen = this.received.slice(-5).map(String);
        reject(
          new Error(
            `waited in vain: ${what}; ${this.received.length} received, the last: ${seen.join(" ")}; closed: ${JSON.stringify(this.closed)} after ${this.openMs} ms; error: ${this.error}`,
          ),
        );
      }, patienceMs);
      const check = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.listeners.delete(check);
        resolve();
      };
      this.listeners.add(check);
    });
  }

  private tell(): void {
    for (const check of [...this.listeners]) check();
  }
}

/** What an HTTP client is told that asks for an upgrade and is refused. */
export function refusal(
  url: string,
  options: ClientOptions = {},
): Promise<{ status: number; body: string; headers: Record<string, unknown> }> {
  const socket = new WebSocket(url, [...(options.subprotocols ?? [])], { headers: { ...options.headers }, ...options.tls });
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("open", () => {
      socket.close();
      reject(new Error("was let in"));
    });
    socket.on("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body, headers: response.headers }));
    });
  });
}
