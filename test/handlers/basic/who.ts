// Who is there, and which gateways are no more.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/who",
  onGatewayLost(app, { gateway }) {
    return app.publish("lost", gateway);
  },
  async onRequest(_request, { app }) {
    return Response.json(await app.connections());
  },
});
