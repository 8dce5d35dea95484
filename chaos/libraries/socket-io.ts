// socket.io-client, over one transport alone or over its default: long-polling first, then WebSocket. It comes back by itself.

import { io } from "socket.io-client";
import { httpOf, type LibraryClient, type LibraryEvents, type OpenLibraryClient } from "./library-client.ts";

const reconnectMs = 100;

type Transport = "websocket" | "polling";

/** @param transports What its option has; undefined: its default. */
export function socketIoOver(...transports: readonly Transport[]): OpenLibraryClient {
  return (url, events) => open(url, events, transports);
}

function open(url: string, events: LibraryEvents, transports: readonly Transport[]): LibraryClient {
  const socket = io(httpOf(url), {
    ...(transports.length > 0 && { transports: [...transports] }),
    forceNew: true,
    reconnectionDelay: reconnectMs,
    reconnectionDelayMax: reconnectMs,
  });
  socket.on("hello", (connection: string) => events.opened(transports[0] === "websocket" ? [connection] : []));
  socket.on("heard", (id: string, number: number) => {
    if (id === socket.id) events.heard("published", number);
  });
  socket.on("disconnect", (reason) => events.ended(reason));
  return {
    name: `socket.io-client over ${transports[0] ?? "its default"}`,
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
