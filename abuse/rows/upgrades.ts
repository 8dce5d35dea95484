// Upgrades that wait for an onUpgrade of five seconds.

import { type Abuse, times } from "../abuse.ts";
import { RawStranger, upgradeHead } from "../raw-stranger.ts";

const connections = 8_000;
/** How long each one waits: see handlers/slow.ts. */
const slowSeconds = 5;
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
  faults: ({ endings, seconds }) => {
    const refused = times(endings, "503 with Retry-After", "429");
    const waited = times(endings, "open", "unanswered", "101");
    const most = mostWaiting * (1 + Math.floor(seconds / slowSeconds));
    const faults = waited > most ? [`${waited} of ${connections} waited, and ${mostWaiting} may at a time`] : [];
    return refused === 0 ? [...faults, "none was refused with 503 or 429"] : faults;
  },
};
