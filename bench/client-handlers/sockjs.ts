import { sockjs } from "../../worker/adapters/sockjs/sockjs.ts";

export default sockjs({
  path: "/echo",
  onMessage: (conn, message) => conn.send(message),
});
