// Sockets of one address that never ask for anything: some say nothing at all, some send a head that never ends.

import { setTimeout as pause } from "node:timers/promises";
import { type Abuse, times } from "../abuse.ts";
import type { Attack } from "../attack.ts";
import { RawStranger, upgradeHead } from "../raw-stranger.ts";

const connections = 1_500;
/** How often an address may ask, a second, and so connect; five seconds' worth at once: docs/limits.md. */
const asksPerSecond = 20;
/** After so long, uWebSockets.js has closed who has not asked for anything. */
const longestSeconds = 12;

/** The older uWebSockets.js, of Node 20, does not tell of a socket before its first request: docs/uwebsockets.md. */
const isBounded = Number(process.versions.node.split(".")[0]) >= 22;

async function wait(attack: Attack, index: number): Promise<void> {
  const stranger = attack.watch(new RawStranger(attack, 0));
  const head = upgradeHead("/echo", "X-Slow: ");
  for (let at = 0; index % 2 === 0 && at < head.length && stranger.ending === undefined && !attack.isOver; at++) {
    stranger.write(head.charAt(at));
    await Promise.race([pause(1_000), stranger.ended]);
  }
  await stranger.ended;
}

export const silent: Abuse = {
  name: "silent",
  title: `${connections.toLocaleString("en")} sockets of one address that ask for nothing`,
  env: { UPGRADES_PER_SECOND: String(asksPerSecond), REQUESTS_PER_SECOND: String(asksPerSecond) },
  strike: async (attack) => {
    void attack.again(connections, 1_000, (index) => wait(attack, index));
    await attack.over();
  },
  faults: ({ endings, seconds, openFiles }) => {
    if (!isBounded) return [];
    // A second more: it is looked at from outside.
    const most = 2 * asksPerSecond * (5 + 1 + Math.min(seconds, longestSeconds));
    return [
      ...(openFiles > most ? [`the gateway opened ${openFiles} files for them, above ${most}`] : []),
      ...(times(endings, "cut") === 0 ? ["nobody was cut off"] : []),
    ];
  },
};
