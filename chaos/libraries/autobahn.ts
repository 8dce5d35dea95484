// AutobahnJS.

import { createRequire } from "node:module";
import { WebSocket } from "ws";
import type { OpenLibraryClient } from "./library-client.ts";
import { type OpenPeer, WampPair } from "./wamp-pair.ts";

/** As far as it is used here; it has no types of its own. */
interface Session {
  readonly isOpen: boolean;
  call(procedure: string, args: readonly unknown[]): Promise<unknown>;
  publish(topic: string, args: readonly unknown[]): void;
  register(procedure: string, endpoint: (args: readonly unknown[]) => unknown): Promise<unknown>;
  subscribe(topic: string, handler: (args: readonly unknown[]) => void): Promise<unknown>;
}

interface Connection {
  onopen: (session: Session) => void;
  onclose: (reason: string, details: { readonly reason: string | null }) => boolean;
  open(): void;
  close(): void;
}

const { Connection, log } = createRequire(import.meta.url)("autobahn") as {
  readonly Connection: new (options: object) => Connection;
  readonly log: { warn: () => void };
};
// It would write into the table that it comes back.
log.warn = () => undefined;

const retry = { max_retries: -1, initial_retry_delay: 0.1, max_retry_delay: 0.1 };

/** A browser's says nothing of an error but that it has closed. */
class BrowserWebSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols);
    this.on("error", () => undefined);
  }
}

export const autobahn: OpenLibraryClient = (url, events) => new WampPair("autobahn", openPeer, url, events);

const openPeer: OpenPeer = (url, { joined, left }) => {
  // In Node it takes the WebSocket that browsers have.
  (globalThis as { WebSocket?: unknown }).WebSocket ??= BrowserWebSocket;
  const connection = new Connection({ url, realm: "chaos", ...retry });
  let isOver = false;
  connection.onopen = (session) =>
    joined({
      call: (procedure, args) => session.call(procedure, args),
      // It throws where the connection has gone and it has not said so yet.
      publish: (topic, args) => session.isOpen && session.publish(topic, args),
      register: (procedure, endpoint) => session.register(procedure, ([first]) => endpoint(first)),
      subscribe: (topic, listener) => session.subscribe(topic, ([first]) => listener(first)),
    });
  connection.onclose = (reason, details) => {
    left(details.reason ?? reason);
    return isOver;
  };
  connection.open();
  return () => {
    isOver = true;
    try {
      connection.close();
    } catch {
      // It says so where it is not open.
    }
  };
};
