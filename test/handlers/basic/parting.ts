// Takes its time: a message's turn never ends by itself. Its close is told to the journal.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/parting/:room",
  async onMessage(conn, _, turn) {
    conn.send(turn.id);
    await conn.flush();
    await new Promise<void>((resolve) => turn.signal.addEventListener("abort", () => resolve()));
  },
  onClose(conn, { code, reason }, { id, redelivered, flushed }) {
    conn.publish(`journal:${conn.params.room}`, { turn: id, redelivered, flushed, code, reason });
  },
});
