// The lease of another release: it expires, and asks nobody.

import { defineHandler, type } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/lease/:room",
  message: type<{ extendMs: number }>(),
  onMessage(conn, { extendMs }) {
    conn.setExpiresAt(new Date(Date.now() + extendMs));
  },
});
