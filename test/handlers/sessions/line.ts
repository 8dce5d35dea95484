// A connection over HTTP as simple as can be: a GET receives frames, a line each; the lines of a POST are messages. A WebSocket is served, too.

import { defineHandler, type } from "../../../worker/handler.ts";
import { deliverMessages, openSession, type Receive, receiveFrames } from "../../../worker/session.ts";

const plain = { "content-type": "text/plain" };
const missing = { status: 404, headers: plain, body: "no session\n" };

/** Requests of this worker that wait until a client says `release`. */
const held = new Set<() => void>();

function receiveOf(query: URLSearchParams): Receive {
  return {
    mode: query.has("stream") ? "stream" : "poll",
    headers: plain,
    maxBytes: Number(query.get("bytes") ?? 100_000),
    ...(query.has("frames") && { maxFrames: Number(query.get("frames")) }),
    ...(query.has("prelude") && { prelude: "prelude\n" }),
    after: "\n",
    binaryBefore: "b",
    missing: query.has("open") ? "again" : missing,
    busy: {
      response: { status: 409, headers: plain, body: "busy\n" },
      ...(query.has("closes") && { close: { code: 4009, reason: "two receivers", last: "closed by another" } }),
    },
    ...(query.has("gone") && { gone: { code: 4001, reason: "given up" } }),
  };
}

export default defineHandler({
  path: "/line/:room/:key",
  state: type<{ sent: number }>({ sent: 0 }),
  async onRequest(request, { params: { key, room }, app, sessionMissing }) {
    const { searchParams: query } = new URL(request.url);
    if (query.has("hold")) {
      const isLetGo = new Promise<void>((resolve) => held.add(resolve));
      await app.publish(`room:${room}`, "holding");
      await isLetGo;
    }
    if (query.has("plain")) return new Response(new ReadableStream({ start: (stream) => stream.enqueue(Buffer.from("begins\n")) }));
    if (request.method === "POST") {
      const messages = (await request.text()).split("\n").filter((line) => line !== "");
      return deliverMessages({ key, messages, response: { status: 204 }, missing });
    }
    const receive = receiveOf(query);
    if (!sessionMissing) return receiveFrames({ key, receive });
    const idleMs = Number(query.get("idle") ?? 60_000);
    const linger = { ms: Number(query.get("linger") ?? 60_000), repeatLast: query.has("repeat") };
    const user = query.get("user") ?? undefined;
    return openSession({ key, user, idleMs, linger, ...(query.has("frame") && { closeFrame: "c[{code},{reason}]" }), receive });
  },
  onUpgrade: ({ query }) => ({ session: query.get("session") ?? undefined }),
  onOpen(conn) {
    if (conn.query.has("session")) return;
    conn.subscribe(`room:${conn.params.room}`);
    conn.send(`open ${conn.id}`);
    const within = Number(conn.query.get("within"));
    if (within > 0) conn.setHeartbeat({ every: 100, send: "2", expect: "3", within, close: { code: 4000, reason: "ping timeout" } });
  },
  async onMessage(conn, message, turn) {
    const [what = "", ...rest] = message.text().split(" ");
    const text = rest.join(" ");
    const sent = conn.state.sent + 1;
    conn.setState({ sent });
    if (what === "say") conn.publish(`room:${conn.params.room}`, text);
    else if (what === "close") {
      conn.send("bye");
      conn.close(4000, text);
    } else if (what === "pause") conn.pauseSession(text);
    else if (what === "move") return conn.moveToSession();
    else if (what === "release") {
      for (const letGo of held) letGo();
      held.clear();
    } else if (what === "bytes") conn.send(Buffer.from(text));
    else if (what === "die" && !turn.redelivered) process.exit(13);
    else if (what === "wait") await new Promise((resolve) => setTimeout(resolve, Number(text)));
    else if (what === "fill") for (let line = 0; line < Number(text); line++) conn.send(`${line} ${"x".repeat(1_000)}`);
    conn.send(`${sent} ${what} ${turn.release}`);
  },
  onClose(conn, { code, reason }) {
    conn.publish(`room:${conn.params.room}`, `closed ${conn.id} ${code} ${reason}`);
  },
});
