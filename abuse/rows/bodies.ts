// Bodies that nobody serves, one byte a chunk: each byte costs six on the wire and, where they are collected, a buffer of its own.

import { setTimeout as pause } from "node:timers/promises";
import { stretchedMs } from "../../testbed/patience.ts";
import { type Abuse, onlyThese } from "../abuse.ts";
import type { Attack } from "../attack.ts";
import { RawStranger } from "../raw-stranger.ts";

const head = "POST /nobody HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n";
const pieces = 200;
const piece = Buffer.from("1\r\nx\r\n".repeat(1_500));
/** To an answer that needs nothing but the head, on a machine that does nothing else. */
const quickMs = 1_000;

async function post(attack: Attack, index: number): Promise<void> {
  const stranger = attack.watch(new RawStranger(attack, index));
  stranger.write(head);
  const isEarly = await Promise.race([stranger.answered.then(() => true), pause(stretchedMs(quickMs), false)]);
  if (!isEarly) attack.count("no answer to the head");
  for (let sent = 0; sent < pieces && stranger.ending === undefined; sent++) {
    stranger.write(piece);
    await stranger.drained();
  }
  stranger.write("0\r\n\r\n");
  await stranger.ended;
}

export const bodies: Abuse = {
  name: "bodies",
  title: "chunked POST, one byte a chunk, to a path that nobody serves",
  strike: (attack) => attack.again(20, 1_000, (index) => post(attack, index)),
  faults: ({ endings }) => onlyThese(endings, "404", "405", "413", "429"),
};
