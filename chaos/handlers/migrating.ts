// A state that fits its own release alone: each other one has to migrate it.

import * as v from "valibot";
import { defineHandler } from "../../worker/handler.ts";

const own = process.env.RELEASE ?? "";
const state = v.object({ release: v.literal(own), count: v.number() });

export default defineHandler({
  path: "/migrating",
  state,
  onUpgrade: () => ({ state: { release: own, count: 0 } }),
  migrate: (stored) => ({ release: own, count: (stored as v.InferOutput<typeof state>).count }),
  onMessage(conn) {
    const count = conn.state.count + 1;
    conn.setState({ release: own, count });
    conn.send(`${own} ${count}`);
  },
});
