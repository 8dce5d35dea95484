// Answers sockjs-client: counts its messages, answers each with the count, and publishes it.

import { setTimeout as pause } from "node:timers/promises";
import { sockjs } from "../../worker/adapters/sockjs/sockjs.ts";
import { type } from "../../worker/handler.ts";

/** Some turns take a while, so that a fault finds them begun, and others behind them. */
const waitEvery = 8;
const waitMs = 20;

export default sockjs({
  path: "/sockjs",
  state: type<number>(0),
  onOpen(conn) {
    conn.subscribe("sockjs");
    conn.send(`hello ${conn.id}`);
  },
  async onMessage(conn, message) {
    const number = message.text();
    const count = conn.state + 1;
    if (count % waitEvery === 0) await pause(waitMs);
    conn.setState(count);
    conn.publish("sockjs", `heard ${conn.id} ${number}`, { self: true });
    conn.send(`answer ${number} ${count}`);
  },
});
