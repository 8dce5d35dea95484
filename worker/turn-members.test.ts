import { expect, test } from "vitest";
import { gatewayLevel } from "../protocol/level.ts";
import { defineHandler, type Member } from "./handler.ts";
import { Bench, message, state } from "./testing/turn-bench.ts";

const since = new Date(1);

function member(id: string, info: unknown): Member {
  return { id, gateway: "g", user: undefined, info, since, connections: 1 };
}

/** Runs turns that do what their messages say. @returns what the list has in each that asks. */
async function infosSeen(told: readonly Member[], ...steps: ReadonlyArray<"join" | "join again" | "leave" | "stay" | "list" | "throw">) {
  const seen: unknown[] = [];
  const handler = defineHandler({
    path: "/a",
    state,
    async onMessage(conn, incoming) {
      const step = incoming.text();
      if (step.startsWith("join") || step === "throw") conn.subscribe("room", { as: step });
      if (step === "leave") conn.unsubscribe("room");
      if (step === "stay") conn.subscribe("room");
      if (step === "throw") throw new Error("none of it happens");
      if (step === "list") seen.push((await conn.members("room")).map(({ info }) => info));
    },
    onError: () => undefined,
  });
  const it = new Bench(handler, { level: gatewayLevel });
  Object.assign(it.turns, { app: { ...it.turns.app, members: () => Promise.resolve(told) } });
  it.take(...steps.map((step) => message(step)));
  await it.settle();
  return seen;
}

test("a connection is in its list from the turn on that has subscribed, also while its gateway does not know it yet", async () => {
  const others = [member("g-9-9", "other")];
  expect(await infosSeen(others, "join", "list", "join again", "list")).toEqual([
    ["other", "join"],
    ["other", "join again"],
  ]);
  expect(await infosSeen([...others, member("g-0-1", "join")], "join again", "list")).toEqual([["join again", "other"]]);
});

test("it is in none any more from the turn on that has left, also while its gateway still tells it", async () => {
  const told = [member("g-0-1", "join")];
  expect(await infosSeen([], "join", "leave", "list", "stay", "list", "join", "list")).toEqual([[], [], ["join"]]);
  expect(await infosSeen(told, "join", "leave", "list")).toEqual([[]]);
});

test("a turn that throws has told nothing", async () => {
  expect(await infosSeen([], "throw", "list", "join", "throw", "list")).toEqual([[], ["join"]]);
});
