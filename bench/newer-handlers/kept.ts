// A topic for each path, which keeps what is published to it.

import { defineHandler } from "../../worker/handler.ts";

const keep = { messages: 100, seconds: 3_600 };

export default defineHandler({
  path: "/kept/:topic",
  onOpen(conn) {
    conn.subscribe(conn.params.topic);
    conn.send("open");
  },
  onMessage: (conn, message) => conn.publish(conn.params.topic, message, { self: true, keep }),
});
