// Idle connections with a long query each, which is kept for as long as they last: every other one has 60 KB, and the others nearly as much
// as they may.

import { type Abuse, onlyThese, times } from "../abuse.ts";
import { RawStranger, upgradeHead } from "../raw-stranger.ts";

const connections = 1_500;
/** Without the reserved characters that a URL would have to escape. */
const tooLong = "q".repeat(60_000);
const longest = "q".repeat(8_000);
const wrong = "let in with 60 KB";

export const queries: Abuse = {
  name: "queries",
  title: `${connections} idle connections with a 60 KB query each`,
  strike: async (attack) => {
    for (let index = 0; index < connections && !attack.isOver; index++) {
      const stranger = attack.watch(new RawStranger(attack, index));
      const query = index % 2 === 0 ? tooLong : longest;
      stranger.write(upgradeHead(`/echo?${query}`));
      const answer = await Promise.race([stranger.answered, attack.over()]);
      if (answer === "101" && query === tooLong) attack.count(wrong);
    }
    await attack.lasts();
  },
  // 431: a head may be refused before anybody knows where its path ends. cut: an answer may be lost, since what follows it is not read.
  faults: ({ endings }) => [
    ...onlyThese(endings, "414", "431", "429", "cut", "open"),
    ...(times(endings, "open") === 0 ? ["nobody was let in"] : []),
  ],
};
