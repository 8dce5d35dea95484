// Connections that want the same lock.

import { defineHandler } from "../../worker/handler.ts";

/** Short: whoever waits is in a turn, and so a kill finds it begun. */
const waitMs = 300;

export default defineHandler({
  path: "/contended",
  async onMessage(conn, message) {
    if (message.text() === "unlock") {
      conn.unlock("contended");
      conn.send("free");
      return;
    }
    const lock = await conn.lock("contended", { waitMs });
    conn.send(lock === undefined ? "missed" : `has ${lock.fence}`);
  },
  onError(conn, { code }) {
    conn.send(`failed ${code}`);
  },
});
