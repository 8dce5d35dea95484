// What a page says, everybody in the room hears, also itself.

import { sockjs } from "../../../worker/adapters/sockjs/sockjs.ts";

export default sockjs({
  path: "/room",
  // Also pages of another origin, and the iframe that they load.
  origins: ["*"],
  clientUrl: "/pages/lib/sockjs.js",
  onUpgrade: ({ query }) => ({ user: query.get("name") ?? "guest" }),
  onOpen(conn) {
    conn.subscribe("room");
  },
  onMessage(conn, message) {
    conn.publish("room", { name: conn.user, number: Number(message.text()) }, { self: true });
  },
});
