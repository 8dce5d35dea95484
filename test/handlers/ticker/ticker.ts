// The ticker of docs/handlers.md, except that it takes time to end, with a last tick; and a path where clients hear it.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/ticks",
  onStart(app, { signal, generation }) {
    const tick = () => app.publish("ticks", { release: app.release, generation, worker: app.workerId }).catch(() => undefined);
    const timer = setInterval(tick, 10);
    signal.addEventListener("abort", () => {
      clearInterval(timer);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      void tick();
    });
    void tick();
  },
  onOpen(conn) {
    conn.subscribe("ticks");
  },
});
