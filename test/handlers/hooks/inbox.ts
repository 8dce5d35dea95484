// Connections that reach each other by a topic of their own, and all by one. A letter that is to "die" takes its worker with it the first time.

import { defineHandler, type } from "../../../worker/handler.ts";

interface Letter {
  readonly n: number;
  readonly die?: boolean;
}

export default defineHandler({
  path: "/inbox/:name",
  state: type<{ heard: number }>({ heard: 0 }),
  message: type<Letter & { readonly to: string; readonly except?: string[] }>(),
  onOpen(conn) {
    conn.subscribe(`inbox:${conn.params.name}`, { hook: true });
    conn.subscribe("inbox:all", { hook: true });
    conn.send({ id: conn.id, gateway: conn.gateway });
  },
  onMessage(conn, { to, except, ...letter }) {
    const whom = except === undefined ? { self: true } : { except };
    conn.publish(`inbox:${to}`, { from: conn.params.name, ...letter }, whom);
  },
  onPublish(conn, _topic, message, { redelivered }) {
    const letter = message.json() as Letter;
    if (letter.die && !redelivered) process.exit(13);
    const heard = conn.state.heard + 1;
    conn.setState({ heard });
    conn.send({ ...letter, heard });
  },
});
