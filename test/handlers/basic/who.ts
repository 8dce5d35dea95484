// Who is there.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/who",
  async onRequest(_request, { app }) {
    return Response.json(await app.connections());
  },
});
