// A chat: everybody at ws://…/chat/blue?name=Ada is in the room "blue". Change something, save, `npm run deploy-worker`:
// nobody in the room is disconnected.

import * as v from "valibot";
import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/chat/:room",

  // What the gateway keeps for each connection while workers come and go. Keep it small; a worker keeps nothing.
  state: v.object({ name: v.string(), sent: v.optional(v.number(), 0) }),

  // What a client may send: {"text": "hello"}. Anything else never reaches onMessage; onError hears of it.
  message: v.object({ text: v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(500)) }),

  onUpgrade({ params, query, cookies }) {
    // A topic has at most 256 bytes, and a character up to three (an emoji counts as two characters).
    if (params.room.length > 80) return new Response("a room's name has at most 80 characters", { status: 400 });
    // Anybody may be Ada here. With accounts, look a session cookie up and return its user too: { user, state }.
    const name = query.get("name") || cookies.name || "guest";
    if (name.length > 40) return new Response("a name has at most 40 characters", { status: 400 });
    return { state: { name } };
  },

  onOpen(conn) {
    const room = `room:${conn.params.room}`;
    conn.subscribe(room);
    conn.publish(room, { joined: conn.state.name }, { self: true });
  },

  onMessage(conn, { text }) {
    const sent = conn.state.sent + 1;
    conn.publish(`room:${conn.params.room}`, { from: conn.state.name, text, sent }, { self: true });
    conn.setState({ ...conn.state, sent });
  },

  onClose(conn) {
    conn.publish(`room:${conn.params.room}`, { left: conn.state.name });
  },

  onError(conn, error) {
    conn.send({ error: error.code, issues: error.issues });
  },
});
