// What a page of PHP has to say to a user arrives here: the gateway lets in whoever has the session that PHP made.

import { sessionCookie } from "../../../worker/auth/sessions.ts";
import { defineHandler } from "../../../worker/handler.ts";

// With TLS, leave `secure` out, and call the cookie __Host-session in PHP.
const sessions = sessionCookie({ secret: process.env.SESSION_SECRET, secure: false });

export default defineHandler({
  path: "/notices",
  // Where PHP serves its pages. Behind one host name for both, leave it out.
  origins: (process.env.PAGES ?? "http://127.0.0.1:8000,http://localhost:8000").split(","),
  async onUpgrade(request) {
    const { user, expiresAt } = await sessions.check(request);
    return { user, expiresAt };
  },
  onOpen(conn) {
    conn.send({ text: `Hello ${conn.user}, what you order is told here, in all your windows.` });
  },
});
