// A state of every kind of value, counted by each message.

import * as v from "valibot";
import { defineHandler } from "../../../worker/handler.ts";

export const state = v.object({ name: v.string(), sent: v.number(), since: v.date(), big: v.bigint(), bytes: v.instance(Uint8Array) });

export default defineHandler({
  path: "/profile/:name",
  state,
  onUpgrade: ({ params }) => ({
    state: { name: params.name, sent: 0, since: new Date(1_700_000_000_000), big: 2n ** 60n, bytes: Uint8Array.of(1, 2, 3) },
  }),
  onMessage(conn, _message, turn) {
    conn.setState({ ...conn.state, sent: conn.state.sent + 1 });
    const { name, sent, since, big, bytes } = conn.state;
    conn.send({ release: turn.release, name, sent, since: since.getTime(), big: String(big), bytes: [...bytes] });
  },
});
