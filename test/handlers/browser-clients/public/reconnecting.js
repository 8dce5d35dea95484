// What reconnecting-websocket and partysocket have in common: a class that is used as WebSocket is, and comes back by itself.

import { client, hears, name, opened } from "./client.js";

export function connect(ReconnectingWebSocket, library) {
  /** What was said and not heard yet. */
  const waiting = new Map();
  const url = new URL(`/reconnecting/${library}?name=${encodeURIComponent(name)}`, location.href.replace(/^http/, "ws")).href;
  // Else it waits for one to five seconds before it comes back.
  const socket = new ReconnectingWebSocket(url, [], { minReconnectionDelay: 50, maxReconnectionDelay: 200 });

  client.say = (number) => {
    socket.send(String(number));
    return new Promise((resolve) => waiting.set(number, resolve));
  };

  socket.addEventListener("message", ({ data }) => {
    const said = JSON.parse(data);
    // By then it hears what others say.
    if (said.isReady) return opened("websocket");
    hears(said.name, said.number);
    if (said.name !== name) return;
    waiting.get(said.number)?.();
    waiting.delete(said.number);
  });
  socket.addEventListener("close", ({ code }) => {
    // Others are attempts that fail.
    if (client.opens > client.closes.length) client.closes.push(String(code));
  });
}
