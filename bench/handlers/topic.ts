// A topic for each path.

import { defineHandler } from "../../worker/handler.ts";

export default defineHandler({
  path: "/topic/:topic",
  onOpen(conn) {
    conn.subscribe(conn.params.topic);
    conn.send("open");
  },
  onMessage: (conn, message) => conn.publish(conn.params.topic, message, { self: true }),
});
