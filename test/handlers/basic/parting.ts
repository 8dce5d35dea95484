// Takes its time: a message's turn never ends by itself, nor does a close the first time where the room is slow. Its close
// is told to the journal.

import { defineHandler, type Turn } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/parting/:room",
  async onMessage(conn, _, turn) {
    conn.send(turn.id);
    await conn.flush();
    await cutOff(turn);
  },
  async onClose(conn, { code, reason }, turn) {
    const { id, redelivered } = turn;
    conn.publish(`journal:${conn.params.room}`, { turn: id, redelivered, code, reason });
    if (conn.params.room !== "slow" || redelivered) return;
    await conn.flush();
    await cutOff(turn);
  },
});

function cutOff({ signal }: Turn): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}
