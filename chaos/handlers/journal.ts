// Hears of every open and close.

import { defineHandler } from "../../worker/handler.ts";

export default defineHandler({
  path: "/journal",
  onOpen(conn) {
    conn.subscribe("journal");
    conn.send(`listening ${conn.id}`);
  },
});
