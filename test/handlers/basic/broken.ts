// Throws where it is told to, and has no onError, or one that throws.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/broken/:where",
  onOpen(conn) {
    if (conn.params.where === "open") throw new Error("onOpen broke");
  },
  onMessage(conn, message) {
    if (conn.params.where === "message" || conn.params.where === "error") throw new Error("onMessage broke");
    conn.send(message);
  },
  onClose(conn) {
    if (conn.params.where === "close") throw new Error("onClose broke");
    conn.publish("journal:broken", { close: conn.params.where });
  },
  onError(conn, error) {
    if (conn.params.where === "error") throw new Error("onError broke");
    if (conn.params.where === "message") throw error;
    conn.send({ error: error.code });
  },
});
