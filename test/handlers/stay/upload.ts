// Puts pieces together in its worker's memory, and nowhere else.

import { defineHandler, type } from "../../../worker/handler.ts";

interface Step {
  /** begin: waits for the gate first, which another connection may hold. */
  readonly do: "hold" | "begin" | "piece" | "end";
  readonly piece?: number;
}

const uploads = new Map<string, number[]>();

export default defineHandler({
  path: "/upload",
  message: type<Step>(),
  async onMessage(conn, { do: what, piece = 0 }, { release }) {
    if (what === "hold") {
      await conn.lock("gate");
      return conn.send("held");
    }
    if (what === "begin") {
      conn.send("waits");
      await conn.flush();
      await conn.lock("gate", { waitMs: 100_000 });
      conn.unlock("gate");
      uploads.set(conn.id, []);
      return conn.stay(10_000);
    }
    const pieces = uploads.get(conn.id);
    if (pieces === undefined) return conn.close(4012, `release ${release} has no pieces`);
    if (what === "piece") pieces.push(piece);
    else {
      uploads.delete(conn.id);
      conn.send({ pieces, release });
      conn.stay(0);
    }
  },
});
