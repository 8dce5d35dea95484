// More sockets than the gateway may have files: first clients that want a WebSocket, then some that want nothing at all.

import { setTimeout as pause } from "node:timers/promises";
import { type Abuse, onlyThese, times } from "../abuse.ts";
import { RawStranger, upgradeHead } from "../raw-stranger.ts";

const openFiles = 256;
const connections = 400;
const everyMs = 5;

export const sockets: Abuse = {
  name: "sockets",
  title: "more sockets than files",
  openFiles,
  strike: async (attack) => {
    for (let index = 0; index < connections; index++) {
      const stranger = attack.watch(new RawStranger(attack, index));
      stranger.write(upgradeHead("/echo"));
      await pause(everyMs);
    }
    // These are not counted: who asks for nothing gets no answer.
    const silent = Array.from({ length: connections }, (_, index) => new RawStranger(attack, index));
    await attack.over();
    for (const stranger of silent) stranger.destroy();
  },
  faults: ({ endings, gatewayCpu }) => [
    ...onlyThese(endings, "open", "503 with Retry-After", "429"),
    ...(times(endings, "503 with Retry-After", "429") === 0 ? ["nobody was refused"] : []),
    ...(gatewayCpu > 0.5 ? [`the gateway used ${Math.round(gatewayCpu * 100)} % of a core`] : []),
  ],
};
