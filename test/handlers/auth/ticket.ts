// Takes a ticket of session.ts. With `?dies`, its worker dies when the ticket was taken, once.

import { existsSync, writeFileSync } from "node:fs";
import { oneTimeTickets } from "../../../worker/auth/tickets.ts";
import { defineHandler } from "../../../worker/handler.ts";

const tickets = oneTimeTickets({ purpose: "ticket" });

export default defineHandler({
  path: "/ticket",
  async onUpgrade(request) {
    const { user, expiresAt } = await tickets.check(request);
    const died = request.query.get("dies");
    if (died !== null && !existsSync(died)) {
      writeFileSync(died, "");
      process.exit(13);
    }
    return { user, expiresAt, headers: { "x-redelivered": String(request.redelivered) } };
  },
  onOpen(conn) {
    conn.send({ user: conn.user, expires: conn.expiresAt !== undefined });
  },
});
