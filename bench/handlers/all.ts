// One topic for everybody.

import { defineHandler } from "../../worker/handler.ts";

export default defineHandler({
  path: "/all",
  onOpen(conn) {
    conn.subscribe("all");
    conn.send("open");
  },
  onMessage: (conn, message) => conn.publish("all", message, { self: true }),
});
