// Messages that begin and never end, as large as the library lets them be.

import { type Abuse, onlyThese, times } from "../abuse.ts";
import type { Attack } from "../attack.ts";
import { WebStranger } from "../web-stranger.ts";

const connections = 400;
/** MESSAGE_BYTES, and how many times that the library keeps of a message: docs/limits.md. */
const messageBytes = 262_144;
const factor = 2;
const fragment = Buffer.alloc(messageBytes / 4);

async function begin(attack: Attack, index: number): Promise<void> {
  const stranger = attack.watch(new WebStranger(attack, index, "/echo"));
  if (!(await stranger.opened)) return;
  for (let sent = 0; sent < factor * messageBytes; sent += fragment.length) stranger.socket.send(fragment, { fin: false });
}

export const unfinished: Abuse = {
  name: "fragments",
  title: `${connections} connections with unfinished fragments, ${factor} × MESSAGE_BYTES each`,
  env: { MESSAGE_BYTES: String(messageBytes) },
  heldBytes: connections * factor * messageBytes,
  strike: async (attack) => {
    await Promise.race([Promise.all(Array.from({ length: connections }, (_, index) => begin(attack, index))), attack.over()]);
    await attack.over();
  },
  // They answer pings, as far as they are pinged before the abuse is over: then they may stay.
  faults: ({ endings }) => [
    ...onlyThese(endings, "open", "1008", "1009", "1013", "cut", "429", "503"),
    ...(times(endings, "open", "cut") === 0 ? ["nobody began a message"] : []),
  ],
};
