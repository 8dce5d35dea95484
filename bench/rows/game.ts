// The demo of a game, as its page uses it: how old is what players see of each other.

import type { GameFigures } from "../game/main.ts";
import type { Row } from "../row.ts";

/** The demo itself. */
const handlersDir = "examples/demos/game";

export const gameRow: Row = {
  name: "game",
  title: "the demo game, 20 players × 30 moves a second, each move to 19 others, two workers",
  connections: 20,
  isAlone: true,
  figures: [
    { name: "p50", title: "from a move to another player, p50", unit: "ms", better: "less" },
    { name: "p99", title: "… p99", unit: "ms", better: "less", goal: { of: "value", bound: 50 } },
    { name: "longest", title: "… longest", unit: "ms", better: "less" },
  ],
  measure: (trial) =>
    trial.serve({ workers: 2, gateways: 1, handlersDir }, async (server) => {
      const args = [server.host, String(server.port)];
      const { latency, loadShare, faults } = await trial.inProcess<GameFigures>("bench/game/main.ts", args);
      const { p50Ms, p99Ms, longestMs } = latency;
      return { samples: { p50: { value: p50Ms, loadShare }, p99: { value: p99Ms, loadShare }, longest: { value: longestMs } }, faults };
    }),
};
