// Upgrades that are refused, without end, to one address: of a page of another site.

import { type Abuse, onlyThese, times } from "../abuse.ts";
import { RawStranger, upgradeHead } from "../raw-stranger.ts";

const connections = 20;

export const refusals: Abuse = {
  name: "refusals",
  title: "failed upgrades (Origin of another site) without end",
  strike: (attack) =>
    attack.again(connections, 0, async () => {
      const stranger = attack.watch(new RawStranger(attack, 0));
      stranger.write(upgradeHead("/echo", "Origin: https://elsewhere.example"));
      await stranger.answered;
      // A refused upgrade closes its connection: whoever pipelines a request behind it is not served.
      await stranger.ended;
    }),
  faults: ({ endings }) => {
    // cut: an address that goes on although it gets 429 is not answered any more.
    const faults = onlyThese(endings, "403", "429", "cut");
    return times(endings, "429") === 0 ? [...faults, "nobody was refused with 429 in the end"] : faults;
  },
};
