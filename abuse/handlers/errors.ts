// Each message makes an error with a code, of which its client is told; the connection stays.

import { defineHandler } from "../../worker/handler.ts";

export default defineHandler({
  path: "/errors",
  onMessage: (conn) => conn.subscribe(""),
  onError: (conn, error) => conn.send(error.code),
});
