// What sockjs-protocol's tests ask of a server at /echo.

import { sockjs } from "../../../worker/adapters/sockjs/sockjs.ts";

export default sockjs({
  path: "/echo",
  origins: ["*"],
  responseBytes: 4096,
  onMessage(conn, message) {
    conn.send(message);
  },
});
