// Clients that subscribe to a busy topic, and never read.

import { type Abuse, onlyThese } from "../abuse.ts";
import { WebStranger } from "../web-stranger.ts";

const connections = 200;

export const deaf: Abuse = {
  name: "deaf",
  title: `${connections} that never read while their topic is busy`,
  strike: async (attack) => {
    const strangers = Array.from({ length: connections }, (_, index) => attack.watch(new WebStranger(attack, index, "/busy")));
    for (const { opened, socket } of strangers) void opened.then(() => socket.pause());
    await attack.lasts();
    // Who does not read does not see its end either.
    for (const { socket } of strangers) socket.resume();
    await Promise.race([Promise.all(strangers.map(({ ended }) => ended)), attack.moment()]);
  },
  faults: ({ endings }) => onlyThese(endings, "1008", "1013", "cut", "429", "503"),
};
