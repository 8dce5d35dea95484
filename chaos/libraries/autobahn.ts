// Two clients of AutobahnJS: one calls the other and publishes to it. Each comes back by itself; when both have, it begins anew.

import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { WebSocket } from "ws";
import type { LibraryClient, LibraryEvents } from "./library-client.ts";

/** As far as it is used here; it has no types of its own. */
interface Session {
  readonly isOpen: boolean;
  call(procedure: string, args?: readonly unknown[]): Promise<unknown>;
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

export class AutobahnPair implements LibraryClient {
  readonly name = "autobahn calling autobahn";
  readonly ways = ["results", "invocations", "events"];
  private readonly events: LibraryEvents;
  private readonly caller: Connection;
  private readonly callee: Connection;
  private sessions: { caller?: Session; callee?: Session } = {};
  /** Whether both are known to hear each other. */
  private isTold = false;
  /** Procedure and topic since both are there: a name that nobody has had, since a callee that has gone may not be forgotten yet. */
  private uri = "";
  private isOver = false;

  constructor(url: string, events: LibraryEvents) {
    // In Node it takes the WebSocket that browsers have.
    (globalThis as { WebSocket?: unknown }).WebSocket ??= BrowserWebSocket;
    this.events = events;
    this.caller = this.open("caller", `${url}/wamp`);
    this.callee = this.open("callee", `${url}/wamp`);
  }

  send(number: number): void {
    const { uri } = this;
    const { caller } = this.sessions;
    if (caller?.isOpen !== true) return;
    caller.publish(uri, [number]);
    caller.call(uri, [number]).then(
      (result) => this.hear(uri, "results", Number(result)),
      (error: unknown) => {
        if (uri === this.uri && this.isTold) this.events.failed(JSON.stringify(error));
      },
    );
  }

  close(): void {
    this.isOver = true;
    for (const connection of [this.caller, this.callee]) {
      try {
        connection.close();
      } catch {
        // It says so where it is not open.
      }
    }
  }

  private open(role: "caller" | "callee", url: string): Connection {
    const connection = new Connection({ url, realm: "chaos", ...retry });
    connection.onopen = (session) => {
      this.sessions[role] = session;
      void this.begin();
    };
    connection.onclose = (reason, details) => {
      delete this.sessions[role];
      if (this.isTold && !this.isOver) this.events.ended(`${role}: ${details.reason ?? reason}`);
      this.isTold = false;
      return this.isOver;
    };
    connection.open();
    return connection;
  }

  private async begin(): Promise<void> {
    const { caller, callee } = this.sessions;
    if (caller === undefined || callee === undefined) return;
    const uri = `chaos.${randomUUID().replaceAll("-", "")}`;
    this.uri = uri;
    try {
      const connections = await Promise.all([caller, callee].map((session) => session.call("chaos.connection")));
      await callee.register(uri, ([number]) => {
        this.hear(uri, "invocations", Number(number));
        return number;
      });
      await callee.subscribe(uri, ([number]) => this.hear(uri, "events", Number(number)));
      if (uri !== this.uri || this.sessions.caller !== caller || this.sessions.callee !== callee) return;
      this.isTold = true;
      this.events.opened(connections.map(String));
    } catch (error) {
      // One of them has gone again: it begins anew with the next.
      if (caller.isOpen && callee.isOpen) this.events.failed(JSON.stringify(error));
    }
  }

  private hear(uri: string, way: string, number: number): void {
    if (uri === this.uri && this.isTold) this.events.heard(way, number);
  }
}
