// What sockjs-protocol's tests ask of a server at /close.

import { sockjs } from "../../../worker/adapters/sockjs/sockjs.ts";

export default sockjs({
  path: "/close",
  origins: ["*"],
  onOpen(conn) {
    conn.close(3000, "Go away!");
  },
});
