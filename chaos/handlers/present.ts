// Tells which connections are members.

import { defineHandler } from "../../worker/handler.ts";

export default defineHandler({
  path: "/present",
  async onRequest(_request, { app }) {
    return Response.json((await app.members("present")).map(({ id }) => id));
  },
});
