// Expires, and asks nobody for anything.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/bare",
  onUpgrade: ({ query }) => ({ expiresAt: new Date(Date.now() + Number(query.get("ms"))) }),
  onOpen(conn) {
    conn.send("open");
  },
});
