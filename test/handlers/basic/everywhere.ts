// Every hook has `app`, and says over it that it runs.

import { type App, defineHandler } from "../../../worker/handler.ts";

const say = (app: App, hook: string) => app.publish("everywhere", hook);

export default defineHandler({
  path: "/everywhere",
  onUpgrade: ({ app }) => say(app, "onUpgrade"),
  onRequest: async (_request, { turn }) => {
    await say(turn.app, "onRequest");
    return new Response();
  },
  onOpen: (_conn, turn) => say(turn.app, "onOpen"),
  onMessage: async (_conn, _message, turn) => {
    await say(turn.app, "onMessage");
    throw new Error("no luck");
  },
  onError: (_conn, _error, turn) => say(turn.app, "onError"),
  onAdopt: (_conn, turn) => say(turn.app, "onAdopt"),
  onClose: (_conn, _closing, turn) => say(turn.app, `onClose ${turn.app.release === turn.release}`),
});
