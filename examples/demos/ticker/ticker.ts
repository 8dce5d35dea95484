// A ticker: one producer for everybody, however many workers there are, and no tick missed or doubled.
//
// Deploy, or kill the worker that has the task: the next one goes on with the next number. Each page counts the numbers that are missing
// or come twice.

import { setInterval } from "node:timers/promises";
import { serveFiles } from "../../../worker/files.ts";
import { defineHandler } from "../../../worker/handler.ts";

export interface Tick {
  /** One more than that of the tick before, whichever worker makes it. */
  readonly n: number;
  readonly price: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly worker: string;
  readonly release: string;
}

const topic = "demo:ticker";
const keep = { messages: 300, seconds: 24 * 3600 };
const tickMs = 250;

export default defineHandler({
  path: "/demos/ticker/*",

  tasks: {
    ticks: {
      // Where a publish fails, this throws, and runs again a second later: it asks then which tick was the last.
      async run(app, { signal }) {
        const [last] = await app.history(topic, { last: 1 });
        let { n, price } = (last?.data.json() ?? { n: 0, price: 100 }) as Pick<Tick, "n" | "price">;
        for await (const _ of setInterval(tickMs, undefined, { signal })) {
          n++;
          price = nextPrice(price);
          await app.publish(topic, { n, price, at: Date.now(), worker: app.workerId, release: app.release } satisfies Tick, { keep });
        }
      },
    },
  },

  onOpen(conn, { release }) {
    conn.send({ hello: { id: conn.id, release } });
    conn.subscribe(topic, { last: 300 }); // the latest ticks, then each new one: no gap in between, and none twice
  },

  onAdopt(conn, { release }) {
    conn.send({ hello: { id: conn.id, release } });
  },

  onRequest: serveFiles(new URL("public/", import.meta.url)),
});

/** A random walk that stays near 100. */
function nextPrice(price: number): number {
  return Number((price + (100 - price) / 100 + Math.random() - 0.5).toFixed(2));
}
