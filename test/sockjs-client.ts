// sockjs-client, as it comes from npm, remembering all that it was told.

import { createRequire } from "node:module";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";

/** As far as it is used here; it has no types of its own. */
interface Socket {
  readonly transport: string | null;
  onopen: () => void;
  onmessage: (event: { readonly data: string }) => void;
  onheartbeat: () => void;
  onclose: (event: Closed) => void;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

interface Closed {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

export type Transport = "websocket" | "xhr-streaming" | "eventsource" | "xhr-polling";

/** Those that it has in Node. */
export const transports: readonly Transport[] = ["websocket", "xhr-streaming", "eventsource", "xhr-polling"];

const SockJS = createRequire(import.meta.url)("sockjs-client") as new (
  url: string,
  protocols: null,
  options: { readonly transports?: readonly Transport[] },
) => Socket;

export class SockJsClient {
  readonly socket: Socket;
  readonly received: unknown[] = [];
  heartbeats = 0;
  transport: string | null = null;
  isOpen = false;
  closed: Closed | undefined;
  private readonly signal = new Signal();

  private constructor(url: string, transport: Transport | undefined) {
    this.socket = new SockJS(url, null, transport === undefined ? {} : { transports: [transport] });
    this.socket.onopen = () => {
      this.isOpen = true;
      this.transport = this.socket.transport;
      this.signal.tell();
    };
    this.socket.onmessage = ({ data }) => {
      this.received.push(JSON.parse(data));
      this.signal.tell();
    };
    this.socket.onheartbeat = () => {
      this.heartbeats++;
      this.signal.tell();
    };
    this.socket.onclose = ({ code, reason, wasClean }) => {
      this.isOpen = false;
      this.closed = { code, reason, wasClean };
      this.signal.tell();
    };
  }

  /** Resolves when it is open. @param url http:// @param transport undefined: the client chooses. */
  static async open(url: string, transport?: Transport): Promise<SockJsClient> {
    const client = new SockJsClient(url, transport);
    await client.until(() => client.isOpen || client.closed !== undefined, "it opens");
    if (client.closed !== undefined) throw new Error(`${url} was not opened: ${JSON.stringify(client.closed)}`);
    return client;
  }

  send(text: string): void {
    this.socket.send(text);
  }

  async closes(): Promise<Closed> {
    await this.until(() => this.closed !== undefined, "it closes");
    return this.closed as Closed;
  }

  async close(code?: number, reason?: string): Promise<void> {
    this.socket.close(code, reason);
    await this.closes();
  }

  until(condition: () => boolean, what: string): Promise<void> {
    const seen = () => `${what}; closed: ${JSON.stringify(this.closed)}; the last: ${JSON.stringify(this.received.slice(-3))}`;
    return this.signal.until(condition, seen, patienceMs);
  }
}
