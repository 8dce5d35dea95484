// Passes a message on as it came, by each of the ways that there are.

import { type App, defineHandler } from "../../../worker/handler.ts";
import { deliverMessages, openSession } from "../../../worker/session.ts";

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
  async onRequest(request, { params: { how } }) {
    if (how !== "session") return new Response(await request.arrayBuffer());
    const [key, missing] = ["session", { status: 404 }];
    if (request.method === "POST") return deliverMessages({ key, messages: [await request.text()], response: { status: 204 }, missing });
    return openSession({ key, idleMs: 60_000, receive: { mode: "poll", maxBytes: 1_000, missing, busy: { response: missing } } });
  },
});
