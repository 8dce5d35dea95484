// Ticks in every worker while its release is active.

import { defineHandler } from "../../worker/handler.ts";

const everyMs = 50;

export default defineHandler({
  path: "/ticks",
  onStart(app, { signal, generation }) {
    const tick = () => app.publish("ticks", `${generation} ${app.workerId}`).catch(() => undefined);
    const timer = setInterval(tick, everyMs);
    signal.addEventListener("abort", () => clearInterval(timer));
  },
  onOpen(conn) {
    conn.subscribe("ticks");
  },
});
