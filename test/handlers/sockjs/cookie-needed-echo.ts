// What sockjs-protocol's tests ask of a server at /cookie_needed_echo.

import { sockjs } from "../../../worker/adapters/sockjs/sockjs.ts";

export default sockjs({
  path: "/cookie_needed_echo",
  jsessionid: true,
  origins: ["*"],
  responseBytes: 4096,
  onMessage(conn, message) {
    conn.send(message);
  },
});
