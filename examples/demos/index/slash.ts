// A demo's address without the slash at its end, which its page's links need.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/demos/:demo",
  onRequest(request, { params }) {
    const location = `/demos/${encodeURIComponent(params.demo)}/${new URL(request.url).search}`;
    return new Response(null, { status: 308, headers: { location } });
  },
});
