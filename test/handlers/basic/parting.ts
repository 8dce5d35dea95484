// Takes its time: a message's turn never ends by itself, nor does a close the first time where the room is slow; a close with
// the reason "late" ends when its worker gets SIGUSR2, which says so in its log. Its close is told to the journal, in two parts.

import { once } from "node:events";
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
    await conn.flush();
    if (conn.params.room === "slow" && !redelivered) await cutOff(turn);
    if (reason === "late") await once(process, "SIGUSR2");
    conn.publish(`journal:${conn.params.room}`, "flushed");
    if (reason === "late") setImmediate(() => console.log("onClose has ended"));
  },
});

function cutOff({ signal }: Turn): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
}
