// What a page says, all pages of the same library hear, also itself.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/reconnecting/:library",
  onUpgrade: ({ query }) => ({ user: query.get("name") ?? "guest" }),
  onOpen(conn) {
    conn.subscribe(conn.params.library);
    conn.send({ isReady: true });
  },
  onMessage(conn, message) {
    conn.publish(conn.params.library, { name: conn.user, number: Number(message.text()) }, { self: true });
  },
});
