// Takes and gives back what the client says.

import { defineHandler, type } from "../../../worker/handler.ts";

interface Step {
  readonly do: "lock" | "unlock" | "lock and throw" | "lock and end the worker" | "subscribe";
  readonly name: string;
  readonly waitMs?: number;
}

export default defineHandler({
  path: "/locked",
  message: type<Step>(),
  async onMessage(conn, { do: what, name, waitMs = 0 }, turn) {
    if (what === "subscribe") return conn.subscribe(name);
    if (what === "unlock") conn.unlock(name);
    else {
      const lock = await conn.lock(name, { waitMs });
      if (what === "lock and throw") throw new Error("thrown with a lock");
      if (what === "lock and end the worker" && !turn.redelivered) process.kill(process.pid, "SIGKILL");
      conn.send({ name, fence: lock?.fence ?? null, redelivered: turn.redelivered });
      return;
    }
    conn.send({ name, released: true });
  },
  onError(conn, error) {
    conn.send({ failed: error.message });
  },
});
