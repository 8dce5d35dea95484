// Twenty bots, moved by one worker for as long as a page asks for them. Where a bot is depends on the time alone: with another worker they
// go on where they were.

import { setInterval } from "node:timers/promises";
import type { App } from "../../../worker/handler.ts";
import { type Cursor, cursors, keep, type Taking, tileAt, tiles } from "./_field.ts";

const bots = Array.from({ length: 20 }, (_, index) => ({ id: `bot-${index + 1}`, name: `bot ${index + 1}`, index }));
const framesPerSecond = 30;

/** A topic: whoever is a member of it wants bots. */
export const botFans = "demo:game:bot-fans";

/** Nobody can call a task, so it looks once a second whether it is needed. */
export async function runBots(app: App, signal: AbortSignal): Promise<void> {
  const areWanted = async () => (await app.members(botFans)).length > 0;
  const entered: number[] = [];
  for await (const _ of setInterval(1000, undefined, { signal })) {
    if (!(await areWanted())) continue;
    do await playSecond(app, entered, signal);
    while (await areWanted());
    await Promise.all(bots.map(({ id }) => app.publish(cursors, { left: id })));
  }
}

/** @param entered The tile that each bot is on. */
async function playSecond(app: App, entered: number[], signal: AbortSignal): Promise<void> {
  let frame = 0;
  for await (const _ of setInterval(1000 / framesPerSecond, undefined, { signal })) {
    const places = bots.map((bot) => placeOf(bot, Date.now()));
    await Promise.all(places.map((cursor) => app.publish(cursors, cursor)));
    for (const [index, { name, x, y }] of places.entries()) {
      const tile = tileAt(x, y);
      if (tile === entered[index]) continue;
      entered[index] = tile;
      await app.publish(tiles, { tile, name } satisfies Taking, { keep });
    }
    if (++frame === framesPerSecond) return;
  }
}

function placeOf({ id, name, index }: (typeof bots)[number], at: number): Cursor {
  const swing = (perSecond: number) => Number((0.5 + 0.49 * Math.sin((at / 1000) * perSecond + index)).toFixed(4));
  return { id, name, n: at, x: swing(0.11 + 0.007 * index), y: swing(0.23 - 0.005 * index) };
}
