// Pings without end: each one is answered by the library, and no handler hears of it.

import { type Abuse, onlyThese } from "../abuse.ts";
import { WebStranger } from "../web-stranger.ts";

const connections = 20;
const payload = Buffer.alloc(125);

export const pings: Abuse = {
  name: "pings",
  title: "pings without end, from one address",
  shows: ["1008"],
  strike: (attack) =>
    attack.again(connections, 100, async () => {
      const stranger = attack.watch(new WebStranger(attack, 0, "/echo"));
      await stranger.opened;
      await stranger.floods(
        (socket) => socket.ping(payload),
        () => attack.isOver,
      );
    }),
  // cut: an address that goes on although it gets 429 is not answered any more.
  // open: let in when the time was nearly up.
  faults: ({ endings }) => onlyThese(endings, "1008", "429", "cut", "open"),
};
