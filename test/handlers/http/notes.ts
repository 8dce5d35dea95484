// Tells of what the other handlers here publish to "notes".

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/notes",
  onOpen: (conn) => conn.subscribe("notes"),
});
