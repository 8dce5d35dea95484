// Ten messages of a connection may come at once.

import { sockjs } from "../../../worker/adapters/sockjs/sockjs.ts";

export default sockjs({
  path: "/few",
  limits: { messages: "10/60s" },
  onMessage(conn, message) {
    conn.send(message);
  },
});
