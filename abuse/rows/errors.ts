// One connection whose every message makes an error with a code: what clients cause must not fill the log.

import type { Abuse } from "../abuse.ts";
import { WebStranger } from "../web-stranger.ts";

export const errors: Abuse = {
  name: "errors",
  title: "one connection that makes a coded error each message",
  logBytes: 64 * 1024,
  shows: ["topic.invalid"],
  strike: (attack) =>
    attack.again(1, 1_000, async (index) => {
      const stranger = attack.watch(new WebStranger(attack, index, "/errors"));
      stranger.socket.on("message", (data: Buffer) => attack.count(data.toString()));
      await stranger.opened;
      await stranger.floods(
        (socket) => socket.send("x"),
        () => attack.isOver,
      );
    }),
  // However it ends: its log counts.
  faults: () => [],
};
