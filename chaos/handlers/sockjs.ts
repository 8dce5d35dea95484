// Answers sockjs-client: counts its messages, answers each with the count, and publishes it.

import { sockjs } from "../../worker/adapters/sockjs/sockjs.ts";
import { type } from "../../worker/handler.ts";

export default sockjs({
  path: "/sockjs",
  state: type<number>(0),
  onOpen(conn) {
    conn.subscribe("sockjs");
    conn.send(`hello ${conn.id}`);
  },
  onMessage(conn, message) {
    const number = message.text();
    const count = conn.state + 1;
    conn.setState(count);
    conn.publish("sockjs", `heard ${conn.id} ${number}`, { self: true });
    conn.send(`answer ${number} ${count}`);
  },
});
