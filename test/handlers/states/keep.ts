// Keeps what a message's text describes, in JavaScript; "look" says what that has become.

import { inspect } from "node:util";
import { runInThisContext } from "node:vm";
import { defineHandler, type } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/keep",
  state: type<unknown>(),
  onUpgrade: ({ query }) => ({ state: runInThisContext(`(${query.get("state")})`) }),
  onMessage(conn, message) {
    const text = message.text();
    if (text !== "look") conn.setState(runInThisContext(`(${text})`));
    conn.send(inspect(conn.state, { depth: null }));
  },
  onError(conn, { code, issues }) {
    conn.send({ error: code, path: issues[0]?.path });
  },
});
