// The release before there was an onPublish.

import { defineHandler, type } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/inbox/:name",
  state: type<{ heard: number }>({ heard: 0 }),
  message: type<{ readonly to: string; readonly n: number }>(),
  onMessage: (conn, { to, n }) => conn.publish(`inbox:${to}`, { from: conn.params.name, n }, { self: true }),
});
