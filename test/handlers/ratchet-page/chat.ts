import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/chat",
  onOpen(conn) {
    conn.subscribe("chat");
    console.log(`New connection! (${conn.id})`);
  },
  onMessage(conn, message) {
    conn.publish("chat", message);
  },
  onClose(conn) {
    console.log(`Connection ${conn.id} has disconnected`);
  },
  onError(conn, error) {
    console.log(`An error has occurred: ${error.message}`);
    conn.close();
  },
});
