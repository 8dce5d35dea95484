// Idle connections with 60 KB of query each, which is kept for as long as they last.

import { type Abuse, onlyThese } from "../abuse.ts";
import { RawStranger, upgradeHead } from "../raw-stranger.ts";

const connections = 1_500;
/** Without the reserved characters that a URL would have to escape. */
const query = "q".repeat(60_000);

export const queries: Abuse = {
  name: "queries",
  title: `${connections} idle connections with a 60 KB query each`,
  strike: async (attack) => {
    for (let index = 0; index < connections && !attack.isOver; index++) {
      const stranger = attack.watch(new RawStranger(attack, index));
      stranger.write(upgradeHead(`/echo?${query}`));
      await Promise.race([stranger.answered, attack.over()]);
    }
    await attack.lasts();
  },
  // 431: a head may be refused before anybody knows where its path ends. cut: an answer may be lost, since what follows it is not read.
  faults: ({ endings }) => onlyThese(endings, "414", "431", "429", "cut"),
};
