// The server that the public test suite of Engine.IO's protocol expects: it sends back what it gets.

import { type EngineUser, engineHooks } from "../../../worker/adapters/engine-io/engine.ts";
import { defineHandler, type } from "../../../worker/handler.ts";

const echo: EngineUser<{ sid?: string }> = {
  initial: {},
  opened: () => undefined,
  received: (conn, data) => conn.send(typeof data === "string" ? `4${data}` : data),
  closed: () => undefined,
};

export default defineHandler({
  path: "/engine.io/*",
  state: type<{ sid?: string }>({}),
  ...engineHooks({ pingInterval: 300, pingTimeout: 200, maxHttpBufferSize: 1_000_000 }, echo),
});
