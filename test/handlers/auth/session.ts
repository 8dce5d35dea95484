// Logs in over HTTP, and is known on upgrade by its cookie.

import { sessionCookie } from "../../../worker/auth/sessions.ts";
import { oneTimeTickets } from "../../../worker/auth/tickets.ts";
import { defineHandler } from "../../../worker/handler.ts";

const sessions = sessionCookie({ secret: process.env.SESSION_SECRET, secure: false });
const tickets = oneTimeTickets({ purpose: "ticket" });

export default defineHandler({
  path: "/session",
  async onRequest(request, { app }) {
    if (request.method === "POST") {
      const user = await request.text();
      return new Response(null, { status: 204, headers: { "set-cookie": await sessions.cookie({ user }) } });
    }
    const { user, expiresAt } = await sessions.check(request);
    return Response.json({ ticket: await tickets.issue(app, { user, expiresAt }) });
  },
  async onUpgrade(request) {
    const { user, expiresAt } = await sessions.check(request);
    return { user, expiresAt };
  },
  onOpen(conn) {
    conn.send({ user: conn.user, expires: conn.expiresAt !== undefined });
  },
});
