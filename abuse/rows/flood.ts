// A flood of messages from one address, and back again at once after each close.

import { type Abuse, times } from "../abuse.ts";
import { WebStranger } from "../web-stranger.ts";

const connections = 20;
const text = "x".repeat(64);
/** An address that made us close is let in so often at once, and then so often a second: docs/limits.md. */
const returns = { atOnce: 20, perSecond: 4 };

export const flood: Abuse = {
  name: "flood",
  title: "flood, reconnect after the close, flood again",
  strike: (attack) =>
    attack.again(connections, 10, async () => {
      const stranger = attack.watch(new WebStranger(attack, 0, "/echo"));
      await stranger.opened;
      await stranger.floods(
        (socket) => socket.send(text),
        () => attack.isOver,
      );
    }),
  faults: ({ endings, seconds }) => {
    const letIn = times(endings, "1008", "1013", "open");
    const most = connections + returns.atOnce + returns.perSecond * (seconds + 1);
    return [
      ...(times(endings, "1008") === 0 ? ["nobody was closed with 1008"] : []),
      ...(letIn > most ? [`they were let in ${letIn} times, above ${most}`] : []),
    ];
  },
};
