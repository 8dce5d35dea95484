// A game on a field of tiles: whoever enters a tile last has it, and all see all others move.
//
// Where somebody is, is of no use a moment later: it is published 30 times a second, and that is all. Who has taken which tile is kept:
// every page hears it in the same order, and whoever comes later hears it first.

import * as v from "valibot";
import { serveFiles } from "../../../worker/files.ts";
import { defineHandler } from "../../../worker/handler.ts";
import { botFans, runBots } from "./_bots.ts";
import { type Cursor, columns, cursors, keep, rows, type Taking, tileAt, tiles } from "./_field.ts";

const place = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

export default defineHandler({
  path: "/demos/game/*",
  // Pages send 30 a second; what a network has held back comes at once.
  limits: { messages: "400/10s" },
  state: v.object({ name: v.string(), tile: v.number() }),
  message: v.variant("type", [
    v.object({ type: v.literal("move"), n: v.pipe(v.number(), v.safeInteger()), x: place, y: place }),
    v.object({ type: v.literal("bots"), areWanted: v.boolean() }),
  ]),

  onUpgrade({ query }) {
    const name = query.get("name")?.trim() || "guest";
    if (name.length > 40) return new Response("a name has at most 40 characters", { status: 400 });
    return { state: { name, tile: -1 } };
  },

  onOpen(conn, { release }) {
    conn.send({ hello: { id: conn.id, release } });
    conn.send({ field: { columns, rows } });
    conn.subscribe(cursors);
    conn.subscribe(tiles, { last: 300 });
  },

  onAdopt(conn, { release }) {
    conn.send({ hello: { id: conn.id, release } });
  },

  on: {
    move(conn, { n, x, y }) {
      const { name } = conn.state;
      conn.publish(cursors, { id: conn.id, name, n, x, y } satisfies Cursor);
      const tile = tileAt(x, y);
      if (tile === conn.state.tile) return;
      conn.setState({ name, tile });
      conn.publish(tiles, { tile, name } satisfies Taking, { self: true, keep });
    },
    // Whoever wants bots is a member of a topic: for as long as the page is open, whatever becomes of it.
    bots(conn, { areWanted }) {
      if (areWanted) conn.subscribe(botFans, { as: true });
      else conn.unsubscribe(botFans);
    },
  },

  onClose(conn) {
    conn.publish(cursors, { left: conn.id });
  },

  tasks: {
    bots: { run: (app, { signal }) => runBots(app, signal) },
  },

  onRequest: serveFiles(new URL("public/", import.meta.url)),
});
