// A task that ends with nothing but its worker: who else than it may still publish is told by its fence.

import { defineHandler } from "../../worker/handler.ts";

const everyMs = 50;

export default defineHandler({
  path: "/produced",
  tasks: {
    producer: {
      run(app, { fence }) {
        setInterval(() => app.publish("produced", `${fence} ${app.workerId}`).catch(() => undefined), everyMs);
      },
    },
  },
  onOpen(conn) {
    conn.subscribe("produced");
  },
});
