// Does all that a handler can with what a client sends: a schema, topics, state, closes, bodies.

import * as v from "valibot";
import { defineHandler } from "../../worker/handler.ts";

export default defineHandler({
  path: "/everything/:name",
  state: v.object({ seen: v.array(v.unknown()) }),
  migrate: () => ({ seen: [] }),
  message: v.looseObject({ topic: v.optional(v.string()), close: v.optional(v.number()) }),
  onUpgrade: ({ query }) => ({ user: query.get("user") ?? "nobody", state: { seen: [] } }),
  onMessage(conn, message) {
    const { topic, close } = message;
    conn.setState({ seen: [message] });
    if (topic !== undefined) {
      conn.subscribe(topic);
      conn.publish(topic, message, { self: true });
    }
    conn.send(message);
    if (close !== undefined) conn.close(close);
  },
  onError: (conn, error) => conn.send({ error: error.code }),
  onRequest: async (request) => new Response(await request.text(), { headers: { "x-url": request.url } }),
});
