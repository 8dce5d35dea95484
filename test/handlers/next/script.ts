// The release after basic/script.ts: its state has another shape.

import * as v from "valibot";
import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/script/:room",
  state: v.object({ total: v.number() }),
  migrate: (stored) => ({ total: (stored as { count?: number } | undefined)?.count ?? 0 }),
  onAdopt(conn, turn) {
    conn.send({ adopted: true, total: conn.state.total, topics: [...conn.topics], release: turn.release });
  },
  onMessage(conn) {
    conn.setState({ total: conn.state.total + 1 });
    conn.send({ total: conn.state.total });
  },
});
