// socket.io-client, over one transport alone: it comes back by itself.

import { io } from "socket.io-client";
import { httpOf, type LibraryClient, type LibraryEvents, type OpenLibraryClient } from "./library-client.ts";

const reconnectMs = 100;

export function socketIoOver(transport: "websocket" | "polling"): OpenLibraryClient {
  return (url, events) => open(url, events, transport);
}

function open(url: string, events: LibraryEvents, transport: "websocket" | "polling"): LibraryClient {
  const socket = io(httpOf(url), {
    transports: [transport],
    forceNew: true,
    reconnectionDelay: reconnectMs,
    reconnectionDelayMax: reconnectMs,
  });
  socket.on("hello", (connection: string) => events.opened(transport === "websocket" ? [connection] : []));
  socket.on("heard", (id: string, number: number) => {
    if (id === socket.id) events.heard("published", number);
  });
  socket.on("disconnect", (reason) => events.ended(reason));
  return {
    name: `socket.io-client over ${transport}`,
    ways: ["answers", "counts", "published"],
    send(number) {
      const { id } = socket;
      socket.emit("say", number, (count: number) => {
        if (id !== socket.id) return;
        events.heard("answers", number);
        events.heard("counts", count);
      });
    },
    close: () => void socket.disconnect(),
  };
}
