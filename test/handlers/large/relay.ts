// Passes a message on as it came, by each of the ways that there are.

import { type App, defineHandler } from "../../../worker/handler.ts";

const started: { app?: App } = {};

export default defineHandler({
  path: "/relay/:how",
  onStart(app) {
    started.app = app;
  },
  onOpen(conn) {
    conn.subscribe("large");
    conn.send("subscribed");
  },
  async onMessage(conn, message) {
    const { how } = conn.params;
    if (how === "echo") conn.send(message);
    if (how === "publish") conn.publish("large", message);
    if (how === "app.publish") await started.app?.publish("large", message.bytes());
    if (how === "app.send") await started.app?.send(conn.id, message.bytes());
  },
  onRequest: async (request) => new Response(await request.arrayBuffer()),
});
