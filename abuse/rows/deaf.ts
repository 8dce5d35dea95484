// Clients that subscribe to a busy topic, and never read.

import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import { type Abuse, onlyThese, times } from "../abuse.ts";
import { endMs } from "../attack.ts";
import { WebStranger } from "../web-stranger.ts";

const connections = 200;
/** Some may stay: they wait for less than the total allows, until BACKPRESSURE_MS. */
const cutAtLeast = connections / 2;
const pingMs = 500;

export const deaf: Abuse = {
  name: "deaf",
  title: `${connections} that never read while their topic is busy`,
  strike: async (attack) => {
    const strangers = Array.from({ length: connections }, (_, index) => attack.watch(new WebStranger(attack, index, "/busy")));
    for (const { opened, socket } of strangers) void opened.then(() => socket.pause());
    // Who does not read sees the end of its connection only where it writes.
    const pings = setInterval(() => {
      for (const { socket } of strangers) if (socket.readyState === WebSocket.OPEN) socket.ping();
    }, pingMs);
    await attack.over();
    // Before anything waits in the gateway, the system's buffers have to be full: megabytes each, at 400 KB a second.
    const cut = () => strangers.filter(({ ending }) => ending === "cut").length;
    for (const deadline = performance.now() + endMs; cut() < cutAtLeast && performance.now() < deadline; ) await pause(50);
    clearInterval(pings);
  },
  faults: ({ endings }) => {
    const cut = times(endings, "cut");
    return [
      ...onlyThese(endings, "open", "cut", "429", "503"),
      ...(cut < cutAtLeast ? [`only ${cut} were cut off, of at least ${cutAtLeast}`] : []),
    ];
  },
};
