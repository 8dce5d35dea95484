// A topic with much to read: 400 KB a second.

import { defineHandler } from "../../worker/handler.ts";

const everyMs = 40;
const text = "x".repeat(16 * 1024);

export default defineHandler({
  path: "/busy",
  onStart(app, { signal }) {
    const tick = () => app.publish("busy", text).catch(() => undefined);
    const timer = setInterval(tick, everyMs);
    signal.addEventListener("abort", () => clearInterval(timer));
  },
  onOpen: (conn) => conn.subscribe("busy"),
});
