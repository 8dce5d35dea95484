// Tells what a group's topic has kept.

import { defineHandler } from "../../worker/handler.ts";

export default defineHandler({
  path: "/kept/:group",
  async onRequest(_request, { app, params }) {
    return Response.json((await app.history(`kept:${params.group}`, { last: 1_000 })).map(({ data }) => data.text()));
  },
});
