import { expect, test, vi } from "vitest";
import { defineHandler } from "../../../worker/handler.ts";
import { type TestConnection, testHandler } from "../../../worker/testing.ts";
import type { Cursor, Taking } from "./_field.ts";
import game from "./game.ts";
import { Field } from "./public/field.js";

const patience = { timeout: 10_000 };

async function startGame() {
  const app = await testHandler(game);
  const join = (name: string) => app.connect(`/demos/game/field?name=${encodeURIComponent(name)}`);
  // Its task would go on.
  const end = () => app.deploy(defineHandler({ path: "/demos/game/*" }));
  return { app, join, end };
}

type Player = Pick<TestConnection, "received" | "id">;
type Told = Partial<Cursor & Taking & { left: string; field: { columns: number; rows: number } }>;

function told({ received }: Player): Told[] {
  return received as Told[];
}

/** What the page of this player shows. */
function fieldOf(player: Player): Field {
  const field = new Field();
  for (const message of told(player)) {
    if (message.field !== undefined) field.begin(message.field);
    else if (message.tile !== undefined) field.take(message as Taking);
    else if (message.left !== undefined) field.leave(message.left);
    else if (message.id !== undefined) field.move(message as Cursor, 0);
  }
  return field;
}

test("others see where a player is, whoever enters a tile last has it, and standing on it takes nothing", async () => {
  const { join, end } = await startGame();
  const ada = await join("Ada");
  const bob = await join("<img src=x onerror=alert(1)>");
  await ada.send({ type: "move", n: 1, x: 0, y: 0 });
  await ada.send({ type: "move", n: 2, x: 0.01, y: 0.01 });
  await bob.send({ type: "move", n: 1, x: 0.02, y: 0.02 });
  await ada.send({ type: "move", n: 3, x: 1, y: 1 });

  expect(told(ada).filter(({ tile }) => tile !== undefined)).toEqual([
    { tile: 0, name: "Ada" },
    { tile: 0, name: "<img src=x onerror=alert(1)>" },
    { tile: 199, name: "Ada" },
  ]);
  expect(fieldOf(bob).cursors(0)).toMatchObject([{ id: ada.id, name: "Ada", n: 3, x: 1, y: 1 }]);
  expect(fieldOf(ada).cursors(0)).toMatchObject([{ id: bob.id, n: 1 }]);
  await ada.close();
  expect(fieldOf(bob).cursors(0)).toEqual([]);
  await end();
});

test("who comes later sees the same field as those who were there, also after more than is kept, and over a deploy", async () => {
  const { app, join, end } = await startGame();
  const ada = await join("Ada");
  const bob = await join("Bob");
  for (let move = 0; move < 160; move++) {
    await ada.send({ type: "move", n: move, x: (move % 20) / 20, y: (move % 7) / 10 });
    await bob.send({ type: "move", n: move, x: (move % 19) / 20, y: (move % 9) / 10 });
    if (move === 80) await app.deploy(game);
  }
  const cyd = await join("Cyd");
  await cyd.send({ type: "move", n: 0, x: 0, y: 0 });

  expect(told(ada).filter(({ tile }) => tile !== undefined).length).toBeGreaterThan(300);
  for (const early of [ada, bob]) expect(fieldOf(cyd).scores()).toEqual(fieldOf(early).scores());
  expect(fieldOf(cyd).owners()).toEqual(fieldOf(ada).owners());
  expect(told(cyd).filter(({ n }) => n !== undefined)).toEqual([]);
  await end();
});

test("of each player the newest place counts; who has been silent for long is not shown", () => {
  const field = new Field();
  const at = (n: number, x: number) => ({ id: "1", name: "Ada", n, x, y: 0 });
  field.move(at(2, 0.2), 0);
  field.move(at(3, 0.3), 1);
  field.move(at(1, 0.1), 2);
  expect(field.cursors(2)).toMatchObject([{ n: 3, x: 0.3 }]);
  expect(field.cursors(3002)).toEqual([]);
});

test("twenty bots move while somebody asks for them, and leave with whoever has asked", async () => {
  const { join, end } = await startGame();
  const ada = await join("Ada");
  const bob = await join("Bob");
  await ada.send({ type: "bots", areWanted: true });
  await vi.waitUntil(() => fieldOf(bob).cursors(0).length === 20, patience);
  expect(told(bob).filter(({ tile }) => tile !== undefined).length).toBeGreaterThanOrEqual(20);
  await ada.close();
  await vi.waitUntil(() => fieldOf(bob).cursors(0).length === 0, patience);
  await end();
});

test("what is no move is refused; so are more moves than a page makes, and long names", async () => {
  const { app, join, end } = await startGame();
  for (const wrong of [{ type: "move", n: 1, x: 1.1, y: 0 }, { type: "move", n: 1.5, x: 0, y: 0 }, { type: "bots" }, "x"]) {
    const eve = await join("Eve");
    await eve.send(wrong);
    expect(eve.closed?.code).toBe(1007);
  }
  const mallory = await join("Mallory");
  for (let n = 0; mallory.closed === undefined; n++) {
    expect(n).toBeLessThanOrEqual(401);
    await mallory.send({ type: "move", n, x: 0, y: 0 });
  }
  expect(mallory.closed).toEqual({ code: 1008, reason: "rate.sent" });
  expect((await app.refused(`/demos/game/field?name=${"a".repeat(41)}`)).status).toBe(400);
  await end();
});
