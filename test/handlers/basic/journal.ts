// Hears what the connections of a room report.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/journal/:room",
  onOpen(conn) {
    conn.subscribe(`journal:${conn.params.room}`);
    conn.send("listening");
  },
});
