// What a page says, all pages of this handler hear, also itself.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/reconnecting",
  onUpgrade: ({ query }) => ({ user: query.get("name") ?? "guest" }),
  onOpen(conn) {
    conn.subscribe("reconnecting");
    conn.send({ isReady: true });
  },
  onMessage(conn, message) {
    conn.publish("reconnecting", { name: conn.user, number: Number(message.text()) }, { self: true });
  },
});
