// The next release of ../request-reply/play.ts allows fewer messages.

import { defineHandler, type } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/play",
  limits: { messages: "20/1h" },
  state: type<{ sum: number }>({ sum: 0 }),
  message: type<{ readonly type: "add"; readonly n: number }>(),
  on: { add: (conn, { n }) => conn.state.sum + n },
});
