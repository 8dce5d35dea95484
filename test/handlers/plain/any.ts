// Answers every path and method with the body that it was sent.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/*",
  onRequest: async (request) => new Response(await request.arrayBuffer()),
});
