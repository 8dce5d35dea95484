// The server that the public test suite of Engine.IO's protocol expects: it sends back what it gets.

import { type EngineUser, engineHooks } from "../../../worker/adapters/socket-io/engine.ts";
import { defineHandler } from "../../../worker/handler.ts";

const echo: EngineUser<undefined> = {
  opened: () => undefined,
  received: (conn, data) => conn.send(typeof data === "string" ? `4${data}` : data),
  closed: () => undefined,
};

export default defineHandler({
  path: "/engine.io/*",
  ...engineHooks({ pingInterval: 300, pingTimeout: 200, maxHttpBufferSize: 1_000_000 }, echo),
});
