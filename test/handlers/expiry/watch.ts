// Hears which leases have ended.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/watch/:room",
  onOpen(conn) {
    conn.subscribe(`lease:${conn.params.room}`);
    conn.send({ watching: true });
  },
});
