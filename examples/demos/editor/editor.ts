// Three paragraphs, each edited by one person at a time, and free when that browser dies.
// ws://…/demos/editor/minutes?name=Ada is the document "minutes". Whoever edits one of its paragraphs has the lock of that name, until it is
// saved, or a minute has passed without a key, or the connection ends.

import * as v from "valibot";
import { serveFiles } from "../../../worker/files.ts";
import { type Connection, defineHandler } from "../../../worker/handler.ts";

const keep = { messages: 300, seconds: 24 * 3600 };
const idleMs = 60_000;
const paragraphs = [0, 1, 2];

const paragraph = v.picklist(paragraphs);
const text = v.pipe(v.string(), v.maxLength(2_000));
/** What a connection edits. `fence` is higher than that of all who have edited this paragraph before: so pages know what is newer. */
const edit = v.object({ paragraph, fence: v.number(), name: v.string(), text: v.optional(text) });
const state = v.object({ name: v.string(), edit: v.optional(edit) });

// Documents may be called anything: the beginnings keep these two apart.
const documentOf = ({ params }: Conn) => `demo:editors:${params["*"]}`;
const topicOf = ({ params }: Conn, { paragraph }: { paragraph: number }) => `demo:editor:${params["*"]}:${paragraph}`;

export default defineHandler({
  path: "/demos/editor/*",
  limits: { messages: "100/10s" },
  state,
  message: v.variant("type", [
    v.object({ type: v.literal("edit"), paragraph }),
    v.object({ type: v.literal("text"), text }),
    v.object({ type: v.literal("save"), text: v.optional(text) }),
  ]),

  onRequest: serveFiles(new URL("public/", import.meta.url)),

  onUpgrade({ params, query }) {
    // No `user`: whoever took somebody's name would use up what that user may do.
    const name = query.get("name") || "guest";
    const isShort = name.length <= 40 && params["*"].length <= 40;
    return isShort ? { state: { name } } : new Response("names have at most 40 characters", { status: 400 });
  },

  async onOpen(conn, turn) {
    conn.send({ hello: { id: conn.id, release: turn.release } });
    for (const paragraph of paragraphs) conn.subscribe(topicOf(conn, { paragraph }), { last: 1 });
    await conn.flush(); // from now on, this client hears who begins to edit
    const editors = await conn.members(documentOf(conn));
    conn.send({ editors: editors.map(({ info }) => info) });
  },

  on: {
    async edit(conn, { paragraph }) {
      if (conn.state.edit?.paragraph === paragraph) return conn.send({ granted: conn.state.edit }); // asked twice
      finish(conn);
      const lock = await conn.lock(topicOf(conn, { paragraph }));
      if (lock === undefined) return conn.send({ refused: paragraph });
      const edit = { paragraph, fence: lock.fence, name: conn.state.name };
      conn.setState({ ...conn.state, edit });
      conn.setTimer("idle", idleMs);
      conn.subscribe(documentOf(conn), { as: edit }); // for those who come later: its members are who edits
      conn.publish(topicOf(conn, edit), edit);
      conn.send({ granted: edit });
    },

    text(conn, { text }) {
      const { edit } = conn.state;
      if (edit === undefined) return;
      conn.setState({ ...conn.state, edit: { ...edit, text } }); // the gateway has it, whatever becomes of this worker, or of the browser
      conn.setTimer("idle", idleMs);
      conn.publish(topicOf(conn, edit), { ...edit, text });
    },

    save: (conn, { text }) => finish(conn, text),
  },

  onTimer: (conn) => finish(conn),
  onClose: (conn) => finish(conn),
  onError: (conn, error) => conn.send({ error: error.code }),
  onAdopt: (conn, turn) => conn.send({ hello: { id: conn.id, release: turn.release } }),
});

type Conn = Connection<{ readonly "*": string }, v.InferOutput<typeof state>>;

/** However an edit ends: what was written is kept for those who come later, and with this turn the paragraph is free. */
function finish(conn: Conn, text = conn.state.edit?.text): void {
  const { edit } = conn.state;
  if (edit === undefined) return;
  const topic = topicOf(conn, edit);
  // The topic keeps texts; that somebody has looked at a paragraph and written nothing is none.
  conn.publish(topic, { ...edit, text, free: true }, { self: true, ...(text !== undefined && { keep }) });
  conn.unlock(topic);
  conn.unsubscribe(documentOf(conn));
  conn.clearTimer("idle");
  conn.setState({ name: conn.state.name });
}
