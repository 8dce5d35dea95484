// Numbers what each connection sends, and tells a room who comes and goes.

import { sockjs } from "../../../worker/adapters/sockjs/sockjs.ts";
import { type } from "../../../worker/handler.ts";

export default sockjs({
  path: "/room/:room",
  state: type<number>(0),
  onUpgrade: ({ query, cookies }) => ({ user: query.get("name") ?? cookies.name ?? "guest" }),
  onOpen(conn) {
    conn.subscribe(conn.params.room);
    conn.publish(conn.params.room, { joined: conn.user }, { self: true });
  },
  onMessage(conn, message, { release }) {
    if (message.text() === "bye") return conn.close(3000, "Go away!");
    conn.setState(conn.state + 1);
    conn.send({ number: conn.state, said: message, release });
  },
  onClose(conn, { code, reason }) {
    conn.publish(conn.params.room, { left: conn.user, code, reason });
  },
});
