// Members of one topic, and how long it takes to list them.

import { defineHandler } from "../../worker/handler.ts";

const topic = "members";

export default defineHandler({
  path: "/member",
  onOpen(conn) {
    conn.subscribe(topic, { as: { name: `guest ${conn.id}` } });
    conn.send("open");
  },
  async onRequest(request, { app }) {
    const times = Number(new URL(request.url).searchParams.get("times"));
    const took: number[] = [];
    let count = 0;
    for (let time = 0; time < times; time++) {
      const from = performance.now();
      count = (await app.members(topic)).length;
      took.push(performance.now() - from);
    }
    return Response.json({ count, took });
  },
});
