// Everything that may happen before a connection is one, and plain HTTP.

import { defineHandler, type } from "../../../worker/handler.ts";

export default defineHandler({
  path: "/gate/:mode",
  origins: ["https://example.com"],
  subprotocols: ["v2", "v1"],
  state: type<{ from: string }>({ from: "nowhere" }),
  async onUpgrade({ params, query, cookies, headers, ip }) {
    if (params.mode === "refuse") return new Response("no entry", { status: 401, headers: { "www-authenticate": "Basic" } });
    if (params.mode === "nothing") return new Response(null, { status: 204 });
    if (params.mode === "throw") throw new Error("upgrade broke");
    if (params.mode === "exit") process.exit(13);
    if (params.mode === "never") return new Promise(() => undefined);
    if (params.mode === "open") return undefined;
    if (params.mode === "headers") return { state: { from: `${headers.constructor} ${headers.toString}` } };
    if (params.mode === "handshake") return { headers: { "sec-websocket-protocol": "v9" } };
    await Promise.resolve();
    const from = [query.get("q"), cookies.c, headers["x-h"], ip].join(" ");
    return { user: cookies.c ?? "nobody", state: { from }, subprotocol: "v1", headers: { "x-welcome": "yes" } };
  },
  onOpen(conn) {
    conn.send({
      user: conn.user ?? null,
      from: conn.state.from,
      subprotocol: conn.subprotocol,
      mode: conn.params.mode,
      q: conn.query.get("q"),
    });
  },
  async onRequest(request, { params, ip }) {
    if (params.mode === "exit") process.exit(13);
    return Response.json(
      { method: request.method, mode: params.mode, body: await request.text(), ip },
      { status: 201, headers: { "x-answer": "1" } },
    );
  },
});
