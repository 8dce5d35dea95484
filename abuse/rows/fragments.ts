// Messages that begin and never end, as large as the library lets them be; and then larger.

import { setTimeout as pause } from "node:timers/promises";
import { type Abuse, onlyThese, times } from "../abuse.ts";
import { type Attack, endMs } from "../attack.ts";
import { WebStranger } from "../web-stranger.ts";

const connections = 400;
/** MESSAGE_BYTES, and how many times that the library keeps of a message: docs/limits.md. */
const messageBytes = 262_144;
const factor = 2;
const fragment = Buffer.alloc(messageBytes / 4);

async function begin(attack: Attack, index: number): Promise<WebStranger> {
  const stranger = attack.watch(new WebStranger(attack, index, "/echo"));
  if (!(await stranger.opened)) return stranger;
  for (let sent = 0; sent < factor * messageBytes; sent += fragment.length) stranger.socket.send(fragment, { fin: false });
  return stranger;
}

export const unfinished: Abuse = {
  name: "fragments",
  title: `${connections} connections with unfinished fragments, ${factor} × MESSAGE_BYTES each`,
  env: { MESSAGE_BYTES: String(messageBytes) },
  heldBytes: connections * factor * messageBytes,
  strike: async (attack) => {
    const strangers = await Promise.all(Array.from({ length: connections }, (_, index) => begin(attack, index)));
    await attack.over();
    // They may stay: they answer pings, as far as they are pinged before. Whoever sends more may not.
    for (const { socket, ending } of strangers) if (ending === undefined) socket.send(fragment, { fin: false });
    await Promise.race([Promise.all(strangers.map(({ ended }) => ended)), pause(endMs)]);
  },
  faults: ({ endings }) => [
    ...onlyThese(endings, "1009", "1013", "cut", "429", "503"),
    ...(times(endings, "cut", "1009") === 0 ? ["nobody began a message"] : []),
  ],
};
