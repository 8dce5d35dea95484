// A room that keeps what is said in it. Publishes, reads and dies as its messages say; a newcomer gets the latest first.

import { defineHandler, type } from "../../../worker/handler.ts";

type Wish =
  | { say: unknown; plain?: boolean; seconds?: number; messages?: number }
  | { subscribe: number }
  | { after: string }
  | { history: number }
  | { appSay: unknown }
  | { die: unknown };

export default defineHandler({
  path: "/room/:room",
  message: type<Wish>(),
  onOpen(conn) {
    conn.send({ opened: conn.id });
    const last = Number(conn.query.get("last"));
    if (last > 0) {
      conn.subscribe(conn.params.room, { last });
      conn.send({ in: true });
    } else if (conn.query.has("plain")) conn.subscribe(conn.params.room);
  },
  async onMessage(conn, wish, { app, redelivered }) {
    const { room } = conn.params;
    const keep = { messages: 1_000, seconds: 3_600 };
    if ("say" in wish) {
      const { seconds = keep.seconds, messages = keep.messages } = wish;
      conn.publish(room, { said: wish.say }, { self: true, ...(!wish.plain && { keep: { messages, seconds } }) });
    }
    if ("subscribe" in wish) {
      conn.send({ before: true });
      conn.subscribe(room, { last: wish.subscribe });
      conn.send({ in: true });
    }
    if ("after" in wish) {
      conn.send({ before: true });
      conn.subscribe(room, { after: wish.after });
      conn.send({ in: true });
    }
    if ("history" in wish) {
      const entries = await app.history(room, { last: wish.history });
      conn.send({ history: entries.map(({ data }) => data.json()), positions: entries.map(({ position }) => position) });
    }
    if ("appSay" in wish) {
      await app.publish(room, { said: wish.appSay }, { keep });
      conn.send({ stored: wish.appSay });
    }
    if ("die" in wish) {
      if (!redelivered) process.exit(13);
      conn.publish(room, { said: wish.die }, { keep });
      conn.send({ survived: wish.die });
    }
  },
});
