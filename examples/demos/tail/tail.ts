// A log file in the browser, as `tail -f` shows it; who falls behind is told how many lines were dropped.
//
// What the gateway keeps for a browser is its place in the file. It asks for more when it has drawn what it got, so a tab that stands still
// costs nobody memory: it has 64 KiB under way at most, and goes on near the end of the file when it wakes up.
//
// The file is TAIL_FILE, if the worker's environment has it (`TAIL_FILE=/var/log/syslog npm start`), or else one that a task writes.
// Everybody who reaches this page reads it.

import * as v from "valibot";
import { serveFiles } from "../../../worker/files.ts";
import { type Connection, defineHandler } from "../../../worker/handler.ts";
import { type Place, readOn } from "./_follow.ts";
import { webLogFile, writeWebLog } from "./_web-log.ts";

const { TAIL_FILE } = process.env;
const rates = [1, 100, 5000];
const watchers = "demo:tail:watchers";
const lookAgainMs = 100;

const place = v.object({ file: v.string(), offset: v.number(), inLongLine: v.boolean() });

export default defineHandler({
  path: "/demos/tail/*",
  limits: { messages: "100/1s" },
  state: v.object({ place: v.optional(place) }),
  message: v.variant("type", [v.object({ type: v.literal("more") }), v.object({ type: v.literal("rate"), rate: v.picklist(rates) })]),

  onRequest: serveFiles(new URL("public/", import.meta.url)),
  onUpgrade: () => ({ state: {} }),

  async onOpen(conn, turn) {
    conn.send({ hello: { id: conn.id, release: turn.release } });
    conn.send({ file: TAIL_FILE ?? webLogFile, rates: TAIL_FILE === undefined ? rates : [] });
    await tell(conn);
  },

  on: {
    more: tell,
    // Its members are those who watch. The task asks for them: no watcher, no lines.
    rate: (conn, { rate }) => conn.subscribe(watchers, { as: rate }),
  },

  onTimer: tell,
  onAdopt: (conn, turn) => conn.send({ hello: { id: conn.id, release: turn.release } }),
  onError: (conn, error) => conn.send({ error: error.code }),

  ...(TAIL_FILE === undefined && {
    tasks: {
      webLog: {
        run(app, { signal }) {
          const rate = async () => Math.max(0, ...(await app.members<number>(watchers)).map(({ info }) => info));
          return writeWebLog(webLogFile, { rate, signal });
        },
      },
    },
  }),
});

/** Sends what is new, or looks again a little later. */
async function tell(conn: Connection<unknown, { readonly place?: Place | undefined }>): Promise<void> {
  const { place, lines, dropped, isMore } = await readOn(TAIL_FILE ?? webLogFile, conn.state.place);
  conn.setState({ place });
  if (lines.length > 0 || dropped > 0 || isMore) conn.send({ lines, dropped, isMore });
  else conn.setTimer("look", lookAgainMs);
}
