// Upgrades that are refused, without end, to one address: of a page of another site.

import { type Abuse, onlyThese, times } from "../abuse.ts";
import { RawStranger, upgradeHead } from "../raw-stranger.ts";

const connections = 20;
/** How often an address may fail, a second, and how often it is told so beyond; five seconds' worth at once: docs/limits.md. */
const failuresPerSecond = 4;
const answersPerSecond = 40;
/** Once more for each ten connections, and upgrades under way count as such. */
const mostPerSecond = failuresPerSecond + connections / 10;

export const refusals: Abuse = {
  name: "refusals",
  title: "failed upgrades (Origin of another site) without end",
  env: { FAILED_UPGRADES_PER_SECOND: String(failuresPerSecond) },
  shows: ["429"],
  strike: async (attack) => {
    await attack.again(connections, 0, async () => {
      const stranger = attack.watch(new RawStranger(attack, 0));
      stranger.write(upgradeHead("/echo", "Origin: https://elsewhere.example"));
      // A refused upgrade closes its connection: whoever pipelines a request behind it is not served.
      await stranger.ended;
    });
    await attack.allEnd();
  },
  faults: ({ endings, seconds }) => {
    // cut: an address that goes on although it gets 429 is not answered any more.
    const faults = onlyThese(endings, "403", "429", "cut");
    const [failed, refused] = [times(endings, "403"), times(endings, "429")];
    // Those that are under way when the address has reached its limit are answered, and so is what began within the time.
    const lasted = 5 + seconds + 3;
    const [mostFailed, mostRefused] = [connections + mostPerSecond * lasted, answersPerSecond * lasted];
    if (failed > mostFailed) faults.push(`${failed} failed, above ${mostFailed}`);
    if (refused > mostRefused) faults.push(`${refused} were refused with 429, above ${mostRefused}`);
    return faults;
  },
};
