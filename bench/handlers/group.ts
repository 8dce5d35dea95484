// Groups with many topics each: everybody of a group is in all of its topics, and each message goes to the next of them.

import { defineHandler } from "../../worker/handler.ts";

export default defineHandler({
  path: "/group/:topics/:topic",
  onOpen(conn) {
    for (let topic = 0; topic < Number(conn.params.topics); topic++) conn.subscribe(`${conn.params.topic}.${topic}`);
    conn.send("open");
  },
  onMessage(conn, message, turn) {
    // A turn's id ends with the number of its event.
    const topic = Number(turn.id.split(":").at(-1)) % Number(conn.params.topics);
    conn.publish(`${conn.params.topic}.${topic}`, message, { self: true });
  },
});
