// What sockjs-protocol's tests ask of a server at /disabled_websocket_echo.

import { sockjs } from "../../../worker/adapters/sockjs/sockjs.ts";

export default sockjs({
  path: "/disabled_websocket_echo",
  websocket: false,
  origins: ["*"],
  responseBytes: 4096,
  onMessage(conn, message) {
    conn.send(message);
  },
});
