// A heartbeat of its own, as its clients ask for it; it tells them which release has heard what.

import { defineHandler } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/heartbeat",
  onOpen: (conn) => {
    const close = { code: 4000, reason: "ping timeout" };
    conn.setHeartbeat({ every: Number(conn.query.get("every")), send: "2", expect: "3", within: Number(conn.query.get("within")), close });
  },
  onMessage: (conn, message, { release }) => conn.send({ release, heard: message.text() }),
});
