// Timers, as messages ask for them. A "tick" sets itself again, a "die" takes its worker with it the first time.

import { defineHandler, type } from "../../../worker/handler.ts";

type Wish = { set: string; ms: number } | { clear: string };

export default defineHandler({
  path: "/clock",
  state: type<{ ticks: number }>({ ticks: 0 }),
  message: type<Wish>(),
  onMessage(conn, wish) {
    if ("set" in wish) conn.setTimer(wish.set, wish.ms);
    else conn.clearTimer(wish.clear);
    conn.send({ heard: wish });
  },
  onTimer(conn, name, { redelivered }) {
    if (name === "die" && !redelivered) process.exit(13);
    const ticks = conn.state.ticks + 1;
    if (name === "tick") {
      conn.setState({ ticks });
      conn.setTimer("tick", 10);
      conn.send({ tick: ticks });
    } else conn.send({ due: name, redelivered });
  },
});
