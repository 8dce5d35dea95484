// What a worker does outside of turns: app.*, asked for by messages.

import { type App, defineHandler, type } from "../../../worker/handler.ts";

type Wish =
  | { publish: string; bytes?: number; except?: string[] }
  | { send: string }
  | { sendToUser: string; data: string }
  | { connectionsOf: string }
  | { closeUser: string }
  | { late: true };

const started: { app?: App } = {};

export default defineHandler({
  path: "/app/:user",
  message: type<Wish>(),
  onUpgrade: ({ params }) => ({ user: params.user }),
  onStart(app) {
    started.app = app;
  },
  onOpen(conn) {
    conn.send({ id: conn.id });
  },
  async onMessage(conn, wish) {
    const { app } = started;
    if (app === undefined) throw new Error("onStart has not run");
    if ("publish" in wish) {
      const { except = [] } = wish;
      await app.publish(wish.publish, wish.bytes === undefined ? "from the app" : "x".repeat(wish.bytes), { except });
    }
    if ("send" in wish) conn.send({ met: await app.send(wish.send, "hello") });
    if ("sendToUser" in wish) conn.send({ met: await app.sendToUser(wish.sendToUser, wish.data) });
    if ("connectionsOf" in wish) conn.send({ of: (await app.connections({ user: wish.connectionsOf })).map(({ id }) => id) });
    if ("closeUser" in wish) conn.send({ closed: await app.closeUser(wish.closeUser, 4010, "moved") });
    if ("late" in wish) {
      setImmediate(() => {
        try {
          conn.send("too late");
        } catch (error) {
          void app.send(id, { error: (error as { code: string }).code });
        }
      });
      const { id } = conn;
    }
  },
});
