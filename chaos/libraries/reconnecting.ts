// WebSockets that come back by themselves: partysocket and reconnecting-websocket.

import PartySocket from "partysocket/ws";
import reconnecting from "reconnecting-websocket";
import { WebSocket } from "ws";
import type { LibraryClient, LibraryEvents, OpenLibraryClient } from "./library-client.ts";

/** What both have. */
interface Returning {
  send(data: string): void;
  close(): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number }) => void): void;
}

type ReturningClass = new (url: string, protocols: string[], options: object) => Returning;

/** Else they wait for one to five seconds before they come back. */
const options = { WebSocket, minReconnectionDelay: 50, maxReconnectionDelay: 200 };

export const partySocket = openerOf("partysocket", PartySocket as unknown as ReturningClass);
// Its types are those of an ES module, which it is not for Node.
export const reconnectingWebSocket = openerOf("reconnecting-websocket", reconnecting as unknown as ReturningClass);

function openerOf(name: string, Class: ReturningClass): OpenLibraryClient {
  return (url, events) => open(name, new Class(`${url}/reconnecting`, [], options), events);
}

function open(name: string, socket: Returning, events: LibraryEvents): LibraryClient {
  /** What it has queued while it was away is of an earlier one, and does not count. */
  let connection = "";
  socket.addEventListener("message", ({ data }) => {
    const [kind, of = "", number, count] = String(data).split(" ");
    if (kind === "hello") {
      connection = of;
      events.opened([connection]);
    } else if (of === connection) {
      events.heard("answers", Number(number));
      events.heard("counts", Number(count));
    }
  });
  socket.addEventListener("close", ({ code }) => {
    // Others are attempts that fail.
    if (connection !== "") events.ended(`closed with ${code}`);
    connection = "";
  });
  return {
    name,
    ways: ["answers", "counts"],
    send: (number) => socket.send(`${connection} ${number}`),
    close: () => socket.close(),
  };
}
