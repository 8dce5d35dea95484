// Answers requests, and limits how many messages a connection sends.

import { defineHandler, type } from "../../../worker/handler.ts";

type Message = { readonly type: "add"; readonly n: number; readonly dies?: true } | { readonly type: "throw" };

export default defineHandler({
  path: "/play",
  limits: { messages: "500/1h" },
  state: type<{ sum: number }>({ sum: 0 }),
  message: type<Message>(),
  on: {
    async add(conn, { n, dies }, turn) {
      if (dies === true && !turn.redelivered) process.kill(process.pid, "SIGKILL");
      await new Promise(setImmediate);
      const sum = conn.state.sum + n;
      conn.setState({ sum });
      return sum;
    },
    throw() {
      throw new Error("on purpose");
    },
  },
});
