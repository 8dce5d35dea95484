// sockjs-client, over one transport alone. A page opens another one when it has closed.

import { createRequire } from "node:module";
import { httpOf, type LibraryClient, type LibraryEvents, type OpenLibraryClient } from "./library-client.ts";

type Transport = "websocket" | "xhr-streaming" | "eventsource" | "xhr-polling";

/** As far as it is used here; it has no types of its own. */
interface Socket {
  onmessage: (event: { readonly data: string }) => void;
  onclose: (event: { readonly code: number; readonly reason: string }) => void;
  send(text: string): void;
  close(): void;
}

const SockJS = createRequire(import.meta.url)("sockjs-client") as new (
  url: string,
  protocols: null,
  options: { readonly transports: readonly Transport[] },
) => Socket;

const reopenMs = 100;

export function sockJsOver(transport: Transport): OpenLibraryClient {
  return (url, events) => new SockJsPage(httpOf(url), events, transport);
}

class SockJsPage implements LibraryClient {
  readonly name: string;
  readonly ways = ["answers", "counts", "published"];
  private readonly url: string;
  private readonly events: LibraryEvents;
  private readonly transport: Transport;
  private socket: Socket;
  private isOver = false;

  constructor(url: string, events: LibraryEvents, transport: Transport) {
    this.name = `sockjs-client over ${transport}`;
    this.url = url;
    this.events = events;
    this.transport = transport;
    this.socket = this.open();
  }

  send(number: number): void {
    this.socket.send(String(number));
  }

  close(): void {
    this.isOver = true;
    this.socket.close();
  }

  private open(): Socket {
    const { events, transport } = this;
    const socket = new SockJS(`${this.url}/sockjs`, null, { transports: [transport] });
    let connection: string | undefined;
    socket.onmessage = ({ data }) => {
      const [kind, first = "", second = ""] = data.split(" ");
      if (kind === "hello") {
        connection = first;
        events.opened(transport === "websocket" ? [first] : []);
      } else if (kind === "heard") {
        if (first === connection) events.heard("published", Number(second));
      } else {
        events.heard("answers", Number(first));
        events.heard("counts", Number(second));
      }
    };
    socket.onclose = ({ code, reason }) => {
      if (this.isOver) return;
      if (connection !== undefined) events.ended(`${code} ${reason}`);
      setTimeout(() => {
        if (!this.isOver) this.socket = this.open();
      }, reopenMs);
    };
    return socket;
  }
}
