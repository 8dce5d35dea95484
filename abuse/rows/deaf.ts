// Clients that subscribe to a busy topic, and never read.

import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import { type Abuse, onlyThese, times } from "../abuse.ts";
import { endMs } from "../attack.ts";
import { totalHeldBytes } from "../judgement.ts";
import { WebStranger } from "../web-stranger.ts";

const connections = 200;
/** Some may stay: they wait for less than the total allows, until BACKPRESSURE_MS. */
const cutAtLeast = connections / 2;
const pingMs = 500;
/** What comes for all of them before the gateway looks again, four times a second, at 400 KB a second each: docs/limits.md. */
const betweenBytes = (connections * 400 * 1024) / 4;

export const deaf: Abuse = {
  name: "deaf",
  title: `${connections} that never read while their topic is busy`,
  // As in the totals, buffers that grow may take twice as much as is in them.
  heldBytes: totalHeldBytes + 2 * betweenBytes,
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
