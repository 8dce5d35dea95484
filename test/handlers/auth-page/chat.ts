// worker/handlers/chat.ts
import { sessionCookie } from "../../../worker/auth/sessions.ts";
import { oneTimeTickets } from "../../../worker/auth/tickets.ts";
import { defineHandler } from "../../../worker/handler.ts";

const page = "https://example.com";
/** What a page of another host needs to read an answer (CORS), and to send its cookies. */
const headers = { "access-control-allow-origin": page, "access-control-allow-credentials": "true" };

const sessions = sessionCookie({ secret: process.env.SESSION_SECRET });
const tickets = oneTimeTickets({ purpose: "chat" });

export default defineHandler({
  path: "/chat",
  origins: [page],
  async onRequest(request, { app }) {
    const session = await sessions.check(request).catch(() => undefined);
    if (session === undefined) return new Response("log in", { status: 401, headers });
    const { user, expiresAt } = session;
    return Response.json({ ticket: await tickets.issue(app, { user, expiresAt }) }, { headers });
  },
  async onUpgrade(request) {
    const { user, expiresAt } = await tickets.check(request);
    return { user, expiresAt };
  },
  onOpen(conn) {
    conn.send({ welcome: conn.user });
  },
});
