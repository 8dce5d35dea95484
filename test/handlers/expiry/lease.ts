// A connection that expires when its URL says so, tells what it is told, and does what its messages say.

import { defineHandler, type } from "../../../worker/handler.ts";

type Wish = { extendMs: number } | { die: true } | { user: string } | { close: string } | { closeUser: string } | { tell: true };

export default defineHandler({
  path: "/lease/:room",
  message: type<Wish>(),
  onUpgrade({ query }) {
    const ms = query.get("ms");
    return ms === null ? {} : { expiresAt: new Date(Date.now() + Number(ms)) };
  },
  onOpen(conn) {
    conn.send({ opened: conn.id });
  },
  async onMessage(conn, wish, { app, redelivered }) {
    if ("extendMs" in wish) conn.setExpiresAt(new Date(Date.now() + wish.extendMs));
    if ("user" in wish) conn.setUser(wish.user);
    if ("die" in wish && !redelivered) process.exit(13);
    if ("close" in wish) conn.send({ closed: await app.close(wish.close, 4010, "moved") });
    if ("closeUser" in wish) conn.send({ closed: await app.closeUser(wish.closeUser, 4011, "banned") });
    if ("tell" in wish) conn.send({ user: conn.user ?? null, expiresAt: conn.expiresAt?.getTime() ?? null });
  },
  onExpire(conn, turn) {
    if (conn.query.has("dies") && !turn.redelivered) process.exit(13);
    const { id, redelivered, release } = turn;
    conn.send({ expired: id, redelivered, release });
  },
  onClose(conn, { code, reason }) {
    conn.publish(`lease:${conn.params.room}`, { close: conn.id, code, reason });
  },
});
