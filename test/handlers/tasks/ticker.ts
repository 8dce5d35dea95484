// A task that ends with nothing: neither with its signal, nor with what its app throws. Whoever listens sees who may still say something.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/ticks",
  tasks: {
    ticker: {
      run(app, { fence }) {
        const tick = () => app.publish("ticks", { release: app.release, worker: app.workerId, fence });
        setInterval(() => tick().catch(() => undefined), 10);
      },
    },
  },
  onOpen(conn) {
    conn.subscribe("ticks");
  },
});
