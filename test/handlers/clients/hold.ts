// Keeps clients waiting in the upgrade until one that was let in says so. Reports what happens to a topic.

import { type App, defineHandler } from "../../../worker/handler.ts";

const held: { app?: App; release: Array<() => void> } = { release: [] };

export default defineHandler({
  path: "/hold/:room",
  onStart(app) {
    held.app = app;
  },
  async onUpgrade({ params, query }) {
    if (query.has("now")) return;
    const released = new Promise<void>((resolve) => held.release.push(resolve));
    await held.app?.publish(`journal:${params.room}`, { upgrading: query.get("name") });
    await released;
  },
  onOpen(conn) {
    conn.publish(`journal:${conn.params.room}`, { open: conn.id, name: conn.query.get("name") });
  },
  onMessage() {
    for (const release of held.release.splice(0)) release();
  },
  onClose(conn, { code }) {
    conn.publish(`journal:${conn.params.room}`, { close: conn.id, name: conn.query.get("name"), code });
  },
});
