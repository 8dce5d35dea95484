// A demo's address without the slash at its end, which its page's links need.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/demos/:demo",
  onRequest: (_request, { params }) =>
    new Response(null, { status: 308, headers: { location: `/demos/${encodeURIComponent(params.demo)}/` } }),
});
