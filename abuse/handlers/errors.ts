// Each message makes an error with a code, and the connection stays.

import { defineHandler } from "../../worker/handler.ts";

export default defineHandler({
  path: "/errors",
  onMessage: (conn) => conn.subscribe(""),
  onError: () => undefined,
});
