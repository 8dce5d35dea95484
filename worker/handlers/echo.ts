// Sends every message back as it came: text as text, bytes as bytes.

import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/echo",
  onMessage(conn, message) {
    conn.send(message);
  },
});
