// Upgrades that are refused, without end: of a page of another site.

import { type Abuse, onlyThese, times } from "../abuse.ts";
import { RawStranger, upgradeHead } from "../raw-stranger.ts";

const addresses = 20;

export const refusals: Abuse = {
  name: "refusals",
  title: "failed upgrades (Origin of another site) without end",
  strike: (attack) =>
    attack.again(addresses, 0, async (index) => {
      const stranger = attack.watch(new RawStranger(attack, index));
      stranger.write(upgradeHead("/echo", "Origin: https://elsewhere.example"));
      await stranger.answered;
      // A refused upgrade closes its connection: whoever pipelines a request behind it is not served.
      await stranger.ended;
    }),
  faults: ({ endings }) => {
    const faults = onlyThese(endings, "403", "429");
    return times(endings, "429") === 0 ? [...faults, "nobody was refused with 429 in the end"] : faults;
  },
};
