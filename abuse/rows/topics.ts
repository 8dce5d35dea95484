// Clients that name a thousand topics each.

import { type Abuse, times } from "../abuse.ts";
import type { Attack } from "../attack.ts";
import { WebStranger } from "../web-stranger.ts";

const connections = 50;
const topicsEach = 1_000;
/** Of the gateway: fewer than the strangers name. */
const mostTopics = 20_000;

async function subscribe(attack: Attack, index: number): Promise<void> {
  const stranger = attack.watch(new WebStranger(attack, index, "/topics"));
  if (!(await stranger.opened)) return;
  for (let topic = 0; topic < topicsEach; topic++) stranger.socket.send(`${index}-${topic}`);
  await stranger.ended;
}

export const topics: Abuse = {
  name: "topics",
  title: `${connections} connections × ${topicsEach.toLocaleString("en")} topics named by the client`,
  env: { TOPICS: String(mostTopics) },
  strike: async (attack) => {
    for (let index = 0; index < connections; index++) void subscribe(attack, index);
    await attack.over();
  },
  faults: ({ endings, topics: most }) => [
    ...(most > mostTopics ? [`the gateway took ${most} topics, above ${mostTopics}`] : []),
    ...(most >= mostTopics && times(endings, "1008", "1013") === 0 ? ["nobody was closed with 1008 or 1013"] : []),
  ],
};
