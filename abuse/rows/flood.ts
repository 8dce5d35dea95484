// A flood of messages from one address, and back again at once after each close.

import { type Abuse, times } from "../abuse.ts";
import { WebStranger } from "../web-stranger.ts";

const connections = 20;
const letIn = "let in";
const text = "x".repeat(64);
/** How often an address may make us close, a second, and once more for each ten connections; five seconds' worth at once: docs/limits.md. */
const closesPerSecond = 4;
const mostPerSecond = closesPerSecond + connections / 10;

export const flood: Abuse = {
  name: "flood",
  title: "flood, reconnect after the close, flood again",
  env: { FAILED_UPGRADES_PER_SECOND: String(closesPerSecond) },
  shows: ["1008", "1013"],
  strike: (attack) =>
    attack.again(connections, 10, async () => {
      const stranger = attack.watch(new WebStranger(attack, 0, "/echo"));
      if ((await stranger.opened) && !attack.isOver) attack.count(letIn);
      await stranger.floods(
        (socket) => socket.send(text),
        () => attack.isOver,
      );
    }),
  faults: ({ endings, seconds }) => {
    const entries = times(endings, letIn);
    // Each that is closed counts, with 1008 or with 1013. Those that are in when the address has reached its limit have not been closed yet.
    const most = connections + mostPerSecond * (5 + seconds);
    return entries > most ? [`they were let in ${entries} times, above ${most}`] : [];
  },
};
