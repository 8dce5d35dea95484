// What a handler is told of a request.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/who-asks",
  onRequest: (request, { ip }) => Response.json({ url: request.url, ip, headers: [...request.headers.keys()] }),
});
