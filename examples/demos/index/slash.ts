// A demo's address without the slash at its end, which its page's links need.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/demos/:demo",
  onRequest(request, { params }) {
    const { pathname, search } = new URL(request.url);
    // With it, a demo would have answered.
    if (pathname.endsWith("/")) return new Response("no such demo\n", { status: 404 });
    return new Response(null, { status: 308, headers: { location: `/demos/${encodeURIComponent(params.demo)}/${search}` } });
  },
});
