// Upgrades that wait for an onUpgrade of five seconds.

import { type Abuse, times } from "../abuse.ts";
import { RawStranger, upgradeHead } from "../raw-stranger.ts";

const connections = 8_000;
/** Of all that come within the five seconds that the first ones wait. */
const mostWaiting = 1_000;
/** So many connections begin at once. */
const burst = 100;

export const upgrades: Abuse = {
  name: "upgrades",
  title: `${connections.toLocaleString("en")} upgrades that wait for a slow onUpgrade`,
  env: { WAITING_UPGRADES: String(mostWaiting) },
  strike: async (attack) => {
    for (let index = 0; index < connections && !attack.isOver; index++) {
      const stranger = attack.watch(new RawStranger(attack, index));
      stranger.write(upgradeHead("/slow"));
      if (index % burst === burst - 1) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await attack.lasts();
  },
  faults: ({ endings }) => {
    const refused = times(endings, "503 with Retry-After", "429");
    const waited = times(endings, "open", "unanswered", "101");
    const faults = waited > 2 * mostWaiting ? [`${waited} of ${connections} waited, and ${mostWaiting} may at a time`] : [];
    return refused === 0 ? [...faults, "none was refused with 503 or 429"] : faults;
  },
};
