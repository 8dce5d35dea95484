// Frames that belong together, by all the ways that they may go to clients of a room: a header tells whose they are, their number, and how
// many bytes each of the frames behind it has. Each publisher also sends and publishes single frames.

import { defineHandler, together, type } from "../../../worker/handler.ts";

export interface Wish {
  readonly from: number;
  readonly number: number;
  readonly sizes: readonly number[];
  readonly by: "publish" | "except" | "app" | "send" | "user";
}

export default defineHandler({
  path: "/files/:room",
  message: type<Wish>(),
  onUpgrade: ({ params }) => ({ user: params.room }),
  onOpen: (conn) => {
    conn.subscribe(conn.params.room);
    conn.send({ in: conn.id });
  },
  async onMessage(conn, wish, { app }) {
    const { room } = conn.params;
    const { number, from } = wish;
    const all = together(wish, ...wish.sizes.map((bytes) => new Uint8Array(bytes).fill(from)));
    const single = { single: number, from };
    conn.send(single);
    conn.publish(room, single);
    if (wish.by === "send") conn.send(all);
    if (wish.by === "publish") conn.publish(room, all, { self: true });
    if (wish.by === "except") conn.publish(room, all, { except: [conn.id] });
    conn.publish(room, single);
    if (wish.by === "app") await app.publish(room, all);
    if (wish.by === "user") await app.sendToUser(room, all);
  },
});
