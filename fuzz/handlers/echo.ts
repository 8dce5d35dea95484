// What the victim talks to, and who sends random frames.

import { defineHandler } from "../../worker/handler.ts";

export default defineHandler({
  path: "/echo",
  onMessage: (conn, message) => conn.send(message),
});
