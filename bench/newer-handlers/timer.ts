// Timers that all come due at one time, and are set once more by their turns.

import { defineHandler } from "../../worker/handler.ts";

const timers = 10;
const afterAll = 3_600_000;

let fired = 0;
let lastLateMs = 0;

export default defineHandler({
  // When: milliseconds since 1970.
  path: "/timer/:at",
  onOpen(conn) {
    const ms = Math.max(1, Number(conn.params.at) - Date.now());
    for (let timer = 0; timer < timers; timer++) conn.setTimer(String(timer), ms);
    conn.send("open");
  },
  onTimer(conn, name) {
    fired++;
    lastLateMs = Date.now() - Number(conn.params.at);
    conn.setTimer(name, afterAll);
  },
  onRequest: () => Response.json({ fired, lastLateMs }),
});
