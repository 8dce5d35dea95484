// A chat with presence: who is in the room, who is typing, and the last 20 messages for those who come later.
//
// ws://…/demos/chat/blue?name=Ada is Ada in the room "blue". The worker keeps nothing of it: rooms, timers and messages outlive every
// deploy. Names, too: what onUpgrade says of them holds for new connections. To see a change at once, change `say`.

import * as v from "valibot";
import { serveFiles } from "../../../worker/files.ts";
import { defineHandler } from "../../../worker/handler.ts";

const keep = { messages: 300, seconds: 24 * 3600 };
const typingMs = 4000;

/** Of a person, and of a room. */
const name = v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(40));

export default defineHandler({
  path: "/demos/chat/*",
  limits: { messages: "30/10s" },
  state: v.object({ name: v.string(), room: v.string() }),
  message: v.variant("type", [
    v.object({ type: v.literal("typing") }),
    v.object({
      type: v.literal("say"),
      key: v.pipe(v.string(), v.maxLength(40)), // the page's own: what it says again, after its connection broke, is shown once
      text: v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(500)),
    }),
  ]),

  onRequest: serveFiles(new URL("public/", import.meta.url)),

  onUpgrade({ params, query }) {
    const asked = v.safeParse(v.object({ name, room: name }), { name: query.get("name"), room: params["*"] });
    if (!asked.success) return new Response("a name and a room have 1 to 40 characters\n", { status: 400 });
    return { state: { name: asked.output.name, room: `demo:chat:${asked.output.room}` } };
  },

  async onOpen(conn, { release }) {
    const { name, room } = conn.state;
    conn.send({ hello: { id: conn.id, release } });
    conn.subscribe(room, { as: name, last: 20 });
    await conn.flush(); // from now on, this client hears who comes and goes
    conn.send({ you: conn.id, here: (await conn.members(room)).map(({ id, info }) => ({ id, name: info })) });
    conn.publish(room, { joined: { id: conn.id, name } });
  },

  on: {
    typing(conn) {
      conn.publish(conn.state.room, { typing: conn.id });
      conn.setTimer("typing", typingMs); // starts again with each message
    },
    say(conn, { key, text }) {
      const { name, room } = conn.state;
      conn.publish(room, { said: { key, by: conn.id, name, text, at: Date.now() } }, { self: true, keep });
    },
  },

  onTimer(conn) {
    conn.publish(conn.state.room, { stopped: conn.id });
  },

  onAdopt(conn, { release }) {
    conn.send({ hello: { id: conn.id, release } }); // after a deploy: the same connection, another release
  },

  onClose(conn) {
    conn.publish(conn.state.room, { left: conn.id });
  },

  onError(conn, error) {
    conn.send({ error: error.code, issues: error.issues });
  },
});
