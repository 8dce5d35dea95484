// Answers clients that come back by themselves: counts the messages of each of their connections.

import { setTimeout as pause } from "node:timers/promises";
import { defineHandler, type } from "../../worker/handler.ts";

/** Some turns take a while, so that a fault finds them begun, and others behind them. */
const waitEvery = 8;
const waitMs = 20;

export default defineHandler({
  path: "/reconnecting",
  state: type<{ readonly of: string; readonly count: number }>({ of: "", count: 0 }),
  onOpen(conn) {
    conn.send(`hello ${conn.id}`);
  },
  /** "<connection that it was meant for> <number>" */
  async onMessage(conn, message) {
    const [of = "", number] = message.text().split(" ");
    const count = of === conn.state.of ? conn.state.count + 1 : 1;
    if (count % waitEvery === 0) await pause(waitMs);
    conn.setState({ of, count });
    conn.send(`answer ${of} ${number} ${count}`);
  },
});
