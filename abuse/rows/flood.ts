// A flood of messages, and back again at once after each close.

import { type Abuse, times } from "../abuse.ts";
import { WebStranger } from "../web-stranger.ts";

const connections = 20;
const text = "x".repeat(64);
/** Of one address in so many seconds: what goes on after its close is refused. */
const mostReturns = 10;

export const flood: Abuse = {
  name: "flood",
  title: "flood, reconnect after the close, flood again",
  strike: (attack) =>
    attack.again(connections, 10, async (index) => {
      const stranger = attack.watch(new WebStranger(attack, index, "/echo"));
      await stranger.opened;
      await stranger.floods(
        (socket) => socket.send(text),
        () => attack.isOver,
      );
    }),
  faults: ({ endings }) => {
    const returns = times(endings, "1008", "1013", "cut", "open");
    return [
      ...(times(endings, "1008") === 0 ? ["nobody was closed with 1008"] : []),
      ...(returns > connections * mostReturns ? [`they were let in ${returns} times`] : []),
    ];
  },
};
