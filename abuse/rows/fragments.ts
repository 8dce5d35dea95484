// Messages that begin and never end, nearly as large as the library lets them be.

import { type Abuse, onlyThese } from "../abuse.ts";
import type { Attack } from "../attack.ts";
import { WebStranger } from "../web-stranger.ts";

const connections = 400;
/** MESSAGE_BYTES, and how many times that the library takes before it cuts off: docs/limits.md. */
const messageBytes = 262_144;
const fragments = 4;
const fragment = Buffer.alloc(messageBytes - 1_024);

async function begin(attack: Attack, index: number): Promise<void> {
  const stranger = attack.watch(new WebStranger(attack, index, "/echo"));
  if (!(await stranger.opened)) return;
  for (let sent = 0; sent < fragments; sent++) stranger.socket.send(fragment, { fin: false });
}

export const unfinished: Abuse = {
  name: "fragments",
  title: `${connections} connections with unfinished fragments, 4 × MESSAGE_BYTES each`,
  env: { MESSAGE_BYTES: String(messageBytes) },
  strike: async (attack) => {
    await Promise.race([Promise.all(Array.from({ length: connections }, (_, index) => begin(attack, index))), attack.over()]);
    await attack.lasts();
  },
  faults: ({ endings }) => onlyThese(endings, "1008", "1009", "1013", "cut", "429", "503"),
};
