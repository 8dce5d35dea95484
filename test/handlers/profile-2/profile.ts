// The release after profile-1: one field has another name, another one another type. The schema before would not take it.

import * as v from "valibot";
import { defineHandler } from "../../../worker/handler.ts";

const state = v.object({ user: v.object({ name: v.string() }), sent: v.string() });

export default defineHandler({
  path: "/profile/:name",
  state,
  migrate: (stored) => {
    const { name, sent } = (stored ?? { name: "", sent: 0 }) as { name: string; sent: number };
    return { user: { name }, sent: String(sent) };
  },
  onMessage(conn, _message, turn) {
    conn.setState({ ...conn.state, sent: String(Number(conn.state.sent) + 1) });
    conn.send({ release: turn.release, name: conn.state.user.name, sent: Number(conn.state.sent) });
  },
});
