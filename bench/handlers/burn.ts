// As echo, with work.

import { defineHandler } from "../../worker/handler.ts";
import { burn } from "./_burn.ts";

export default defineHandler({
  path: "/burn",
  onMessage(conn, message) {
    burn();
    conn.send(message);
  },
});
