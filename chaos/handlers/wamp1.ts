// Answers the package wamp1: counts its calls.

import { setTimeout as pause } from "node:timers/promises";
import { wamp1 } from "../../worker/adapters/wamp1/wamp1.ts";

const uri = "http://example.com/chaos#";
/** Some turns take a while, so that a fault finds them begun, and others behind them. */
const waitEvery = 8;
const waitMs = 20;

export default wamp1<number>({
  path: "/wamp1",
  state: 0,
  async onCall(session, { procedure }) {
    if (procedure === `${uri}connection`) return session.conn.id;
    const count = session.state + 1;
    if (count % waitEvery === 0) await pause(waitMs);
    session.setState(count);
    return count;
  },
});
