// Clients that subscribe to a busy topic, and never read.

import { setTimeout as pause } from "node:timers/promises";
import { type Abuse, onlyThese, times } from "../abuse.ts";
import { WebStranger } from "../web-stranger.ts";

const connections = 200;
/** To read what the system's buffers hold, and then the end. */
const readMs = 20_000;

export const deaf: Abuse = {
  name: "deaf",
  title: `${connections} that never read while their topic is busy`,
  strike: async (attack) => {
    const strangers = Array.from({ length: connections }, (_, index) => attack.watch(new WebStranger(attack, index, "/busy")));
    for (const { opened, socket } of strangers) void opened.then(() => socket.pause());
    await attack.over();
    // Who does not read does not see its end either.
    for (const { socket } of strangers) socket.resume();
    const isOneCut = () => strangers.some(({ ending }) => ending !== undefined);
    for (const deadline = performance.now() + readMs; !isOneCut() && performance.now() < deadline; ) await pause(50);
    await attack.moment();
  },
  // Those that wait for less than the total allows may stay, until BACKPRESSURE_MS.
  faults: ({ endings }) => [
    ...onlyThese(endings, "open", "1008", "1013", "cut", "429", "503"),
    ...(times(endings, "1008", "1013", "cut") === 0 ? ["nobody was cut off"] : []),
  ],
};
