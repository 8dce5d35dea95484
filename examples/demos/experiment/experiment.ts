// A question put to everybody in a room at once, and their answers counted live. ws://…/demos/experiment/lobby is the room "lobby".
//
// An answer is what its connection is a member `as`, and an event for those who are there already. So everybody counts the same, through
// whatever gateway and in whatever order they hear of it; and when the time is up, one result is kept for all.

import * as v from "valibot";
import { serveFiles } from "../../../worker/files.ts";
import { type Connection, defineHandler } from "../../../worker/handler.ts";

const keep = { messages: 300, seconds: 24 * 3600 };
const openMs = 20_000;

const text = (most: number) => v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(most));
const choice = v.object({ question: text(100), answer: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(3)) });
type Choice = v.InferOutput<typeof choice>;

/** Its path, and the state that tells which open question is this connection's. */
type Person = Connection<{ readonly "*": string }, string | undefined>;

export default defineHandler({
  path: "/demos/experiment/*",
  limits: { messages: "30/10s" },
  state: v.optional(v.string()),
  message: v.variant("type", [
    v.object({ type: v.literal("ask"), asks: text(200), answers: v.pipe(v.array(text(60)), v.minLength(2), v.maxLength(4)) }),
    v.object({ type: v.literal("answer"), ...choice.entries }),
  ]),

  onRequest: serveFiles(new URL("public/", import.meta.url)),

  onUpgrade({ params }) {
    if (params["*"].length === 0 || params["*"].length > 40) return new Response("a room has 1 to 40 characters\n", { status: 400 });
  },

  async onOpen(conn, { release }) {
    conn.send({ hello: { id: conn.id, release } });
    conn.subscribe(roomOf(conn), { as: null, last: 20 }); // the latest questions and results
    await conn.flush(); // from now on, it hears each answer
    const here = await conn.members<Choice | null>(roomOf(conn));
    conn.send({ here: here.map(({ id, info }) => ({ id, choice: info })), now: Date.now() });
    conn.publish(roomOf(conn), { joined: conn.id });
  },

  on: {
    async ask(conn, { asks, answers }, { id }) {
      // One question at a time; after a crash, the same turn gets its lock again.
      if (conn.state !== undefined || (await conn.lock(roomOf(conn))) === undefined)
        return conn.send({ refused: "another question is open" });
      conn.publish(roomOf(conn), { question: { id, asks, answers, until: Date.now() + openMs } }, { self: true, keep });
      conn.setTimer("close", openMs);
      conn.setState(id);
    },
    answer(conn, { question, answer }) {
      conn.subscribe(roomOf(conn), { as: { question, answer } });
      conn.publish(roomOf(conn), { answered: { id: conn.id, choice: { question, answer } } }, { self: true });
    },
  },

  onTimer: (conn) => closeQuestion(conn),

  onAdopt(conn, { release }) {
    conn.send({ hello: { id: conn.id, release } });
  },

  async onClose(conn) {
    await closeQuestion(conn); // its timer ends with it
    conn.publish(roomOf(conn), { left: conn.id });
  },

  onError(conn, error) {
    conn.send({ error: error.code, issues: error.issues });
  },
});

function roomOf(conn: Person): string {
  return `demo:experiment:${conn.params["*"]}`;
}

async function closeQuestion(conn: Person): Promise<void> {
  const question = conn.state;
  if (question === undefined) return;
  // Where a gateway cannot say who is there, the question is closed all the same, and each page has what it has counted.
  const here = await conn.members<Choice | null>(roomOf(conn)).catch(() => undefined);
  const counts =
    here && [0, 1, 2, 3].map((answer) => here.filter(({ info }) => info?.question === question && info.answer === answer).length);
  conn.publish(roomOf(conn), { result: { question, counts, of: here?.length } }, { self: true, keep });
  conn.unlock(roomOf(conn));
  conn.setState(undefined);
}
