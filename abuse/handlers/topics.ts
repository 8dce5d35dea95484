// Clients name the topics.

import { defineHandler } from "../../worker/handler.ts";

export default defineHandler({
  path: "/topics",
  onMessage: (conn, message) => conn.subscribe(message.text()),
});
