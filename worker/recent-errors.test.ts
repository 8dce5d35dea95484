import { expect, test } from "vitest";
import { encodeScraped, parseScraped } from "../process/scrape.ts";
import { placeIn, RecentErrors } from "./recent-errors.ts";

const folder = "/srv/clone";

function errorAt(...frames: string[]): Error {
  const error = new TypeError("x is not a function");
  error.stack = ["TypeError: x is not a function", ...frames.map((frame) => `    at ${frame}`)].join("\n");
  return error;
}

const inTurns = "Turns.call (file:///srv/clone/worker/turns.ts:240:30)";

test("an error is kept with the place in the handlers' code, as it is in the clone", () => {
  const errors = new RecentErrors({ folder, handlersDirs: ["worker/handlers"], wallClock: () => 7 });
  const err = errorAt("Object.onMessage (file:///srv/clone/worker/handlers/chat.ts:12:7)", inTurns);
  errors.add({ route: "/chat/:room", hook: "onMessage", code: "handler.thrown", err }, "onMessage was rolled back");
  expect(errors.after(0)).toEqual([
    {
      number: 1,
      at: 7,
      text: "onMessage was rolled back",
      message: "TypeError: x is not a function",
      place: "worker/handlers/chat.ts:12:7",
      stack:
        "TypeError: x is not a function\n    at Object.onMessage (worker/handlers/chat.ts:12:7)\n    at Turns.call (worker/turns.ts:240:30)",
      about: { route: "/chat/:room", hook: "onMessage", code: "handler.thrown" },
    },
  ]);
});

test.each([
  [
    "of a handler, behind frames of packages",
    ["parse (/srv/clone/node_modules/a/b.js:1:2)", "async f (/srv/clone/worker/handlers/a b.ts:3:4)"],
    "worker/handlers/a b.ts:3:4",
  ],
  ["of a second folder of handlers", ["file:///srv/clone/demos/chat/chat.ts:5:6", inTurns], "demos/chat/chat.ts:5:6"],
  ["with what a loader has put behind it", ["f (file:///srv/clone/worker/handlers/chat.ts?tsx=1:5:6)"], "worker/handlers/chat.ts:5:6"],
  ["of code that handlers share", [inTurns, "save (file:///srv/clone/shared/db.js:9:1)"], "shared/db.js:9:1"],
  ["that is only ours", [inTurns, "node:internal/process/task_queues:95:5", "read (node:fs:1:1)"], undefined],
])("the place %s", (_what, frames, place) => {
  expect(placeIn(errorAt(...frames).stack ?? "", folder, ["worker/handlers", "/srv/clone/demos"])).toBe(place);
});

test("a message that looks like a frame takes no time, whatever a client has made it of", () => {
  const errors = new RecentErrors({ folder, handlersDirs: [], wallClock: () => 0 });
  const before = performance.now();
  errors.add({ err: new Error(`no room\n at ${"/?".repeat(2_000)}`) }, "failed");
  expect(performance.now() - before).toBeLessThan(1_000);
});

test("only the last are kept; whoever knows some gets those after them", () => {
  const errors = new RecentErrors({ folder, handlersDirs: [], wallClock: () => 0 });
  for (let index = 0; index < 50; index++) errors.add({ err: new Error(String(index)) }, "failed");
  expect(errors.after(0).map(({ number }) => number)).toEqual(Array.from({ length: 20 }, (_, index) => 31 + index));
  expect(errors.after(48).map(({ message }) => message)).toEqual(["48", "49"]);
});

test("however large they are, and whatever was thrown, they fit into an answer", () => {
  const errors = new RecentErrors({ folder, handlersDirs: [], wallClock: () => 0 });
  const long = "x".repeat(100_000);
  errors.add({ err: new Error(long), route: long }, long);
  errors.add({ err: undefined, ...Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`f${index}`, index])) }, "failed");
  errors.add({ of: Object.create(null) }, "nothing was thrown");
  const bytes = encodeScraped({ from: "w1", number: 0, metrics: [], errors: errors.after(0) });
  expect(bytes.length).toBeLessThan(4_000);
  expect(parseScraped(bytes).errors).toMatchObject([{}, { message: "threw undefined" }, { message: "", stack: "" }]);
});
