// Hears which gateways are no more.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/lost",
  onGatewayLost: (app, { gateway }) => app.publish("lost", gateway),
  onOpen(conn) {
    conn.subscribe("lost");
    conn.send(conn.id);
  },
});
