// A client that reads what goes to all inboxes, as it is.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/watch",
  onOpen(conn) {
    conn.subscribe("inbox:all");
    conn.send({ id: conn.id, gateway: conn.gateway });
  },
});
