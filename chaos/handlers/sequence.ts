// What the chaos run's clients talk to: it counts their messages, answers each with the count, and publishes every tenth. Each is a member of a topic, and has a timer.
// Some inputs kill or hang the worker.

import { setTimeout as pause } from "node:timers/promises";
import { type Connection, defineHandler, type Turn, type } from "../../worker/handler.ts";

interface State {
  readonly count: number;
  readonly published: number;
  readonly beats: number;
}

/** A client numbers its messages from 1, so the count must be the number. */
const publishEvery = 10;
const keep = { messages: 1_000, seconds: 3_600 };
/** Some turns take a while, so that a kill finds them begun. */
const waitEvery = 7;
const waitMs = 5;
/** A timer that its turn sets again: the beats are numbered without a gap. */
const beatMs = 200;

async function onMessage(conn: Connection<{ group: string }, State>, text: string, turn: Turn): Promise<void> {
  if (text === "exit") process.exit(13);
  if (text === "exhaust") exhaustMemory();
  if (text === "spin") for (;;);
  const count = conn.state.count + 1;
  const isPublished = count % publishEvery === 0;
  const published = conn.state.published + (isPublished ? 1 : 0);
  if (count % waitEvery === 0) await pause(waitMs);
  if (isPublished) conn.publish(`sequence:${conn.params.group}`, `published ${conn.id} ${published}`, { self: true });
  if (isPublished) conn.publish(`kept:${conn.params.group}`, `${conn.id} ${published}`, { keep });
  conn.setState({ ...conn.state, count, published });
  conn.send(`answer ${text} ${count} ${turn.redelivered ? "again" : "first"}`);
}

export default defineHandler({
  path: "/sequence/:group",
  state: type<State>({ count: 0, published: 0, beats: 0 }),
  onOpen(conn) {
    conn.subscribe("present", { as: conn.params.group });
    conn.setTimer("beat", beatMs);
    conn.subscribe(`sequence:${conn.params.group}`);
    conn.publish("journal", `open ${conn.id}`);
    conn.send(`open ${conn.id}`);
  },
  onTimer(conn) {
    const beats = conn.state.beats + 1;
    conn.setState({ ...conn.state, beats });
    conn.setTimer("beat", beatMs);
    conn.send(`beat ${beats}`);
  },
  onMessage: (conn, message, turn) => onMessage(conn, message.text(), turn),
  onClose(conn) {
    conn.publish("journal", `close ${conn.id}`);
  },
  onGatewayLost: (app, { gateway }) => app.publish("journal", `lost ${gateway}`),
});

function exhaustMemory(): never {
  for (const kept: number[][] = []; ; ) kept.push(new Array<number>(100_000).fill(1.5));
}
