// The package wamp1, for WAMP 1. A program gives it another socket when its own has closed.

import Wamp from "wamp1";
import { WebSocket } from "ws";
import type { LibraryClient, LibraryEvents } from "./library-client.ts";

const uri = "http://example.com/chaos#";
const reopenMs = 100;

export class Wamp1Client implements LibraryClient {
  readonly name = "wamp1";
  readonly ways = ["answers", "counts", "published"];
  private readonly url: string;
  private readonly events: LibraryEvents;
  private socket: WebSocket;
  private session: Wamp | undefined;
  private isOver = false;

  constructor(url: string, events: LibraryEvents) {
    this.url = url;
    this.events = events;
    this.socket = this.open();
  }

  send(number: number): void {
    const { session } = this;
    session?.publish(`${uri}${session.sessionId}`, number, false);
    session?.call(`${uri}count`, number, (error: Error | undefined, count: number) => {
      if (error !== undefined) return this.events.failed(error.message);
      this.events.heard("answers", number);
      this.events.heard("counts", count);
    });
  }

  close(): void {
    this.isOver = true;
    this.socket.close();
  }

  private open(): WebSocket {
    const socket = new WebSocket(`${this.url}/wamp1`, ["wamp"]);
    socket.on("error", () => undefined);
    const session = new Wamp(socket, () => {
      session.subscribe(`${uri}${session.sessionId}`, (number) => this.events.heard("published", Number(number)));
      session.call(`${uri}connection`, (_error: Error | undefined, connection: string) => {
        this.session = session;
        this.events.opened([connection]);
      });
    });
    socket.on("close", (code) => {
      if (this.isOver) return;
      if (this.session === session) this.events.ended(`closed with ${code}`);
      this.session = undefined;
      setTimeout(() => {
        if (!this.isOver) this.socket = this.open();
      }, reopenMs);
    });
    return socket;
  }
}
