// For pages of one site only.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/pages",
  origins: ["https://*.example.com"],
  requireOrigin: true,
  onMessage(conn, message) {
    conn.send(message);
  },
  onRequest: () => new Response("pages"),
});
