import { expect, test } from "vitest";
import { SparseLog } from "./sparse-log.ts";

function sparseLog() {
  const lines: Array<[level: string, fields: object, text: string]> = [];
  const clock = { now: 0 };
  const write = (level: string) => (fields: object, text: string) => lines.push([level, fields, text]);
  const log = new SparseLog({ warn: write("warn"), error: write("error") }, () => clock.now);
  return { log, lines, clock };
}

test("writes five lines of a kind in a minute, and then how many it has left out", () => {
  const { log, lines, clock } = sparseLog();
  for (let connection = 0; connection < 1_000; connection++) log.warn({ code: "a" }, { connection }, "closed");
  expect(lines.map(([, fields]) => fields)).toEqual([0, 1, 2, 3, 4].map((connection) => ({ code: "a", connection })));
  clock.now = 59_999;
  log.sweep();
  expect(lines.length).toBe(5);
  clock.now = 60_000;
  log.sweep();
  log.sweep();
  expect(lines.slice(5)).toEqual([["warn", { code: "a", leftOut: 995, seconds: 60 }, "closed (lines left out)"]]);
  log.warn({ code: "a" }, { connection: 7 }, "closed");
  expect(lines.at(-1)).toEqual(["warn", { code: "a", connection: 7 }, "closed"]);
});

test("kinds are told apart by text, and by what they have in common", () => {
  const { log, lines } = sparseLog();
  for (let count = 0; count < 10; count++) {
    log.error({ code: "a", route: "/x" }, {}, "closed");
    log.error({ code: "a", route: "/y" }, {}, "closed");
    log.error({ code: "a", route: "/x" }, {}, "rolled back");
  }
  expect(lines.length).toBe(15);
});

test("says at the end what it has left out, and nothing where that is nothing", () => {
  const { log, lines, clock } = sparseLog();
  for (let count = 0; count < 6; count++) log.error({ code: "a" }, {}, "closed");
  for (let count = 0; count < 5; count++) log.error({ code: "b" }, {}, "closed");
  clock.now = 2_000;
  log.end();
  expect(lines.length).toBe(11);
  expect(lines.at(-1)).toEqual(["error", { code: "a", leftOut: 1, seconds: 2 }, "closed (lines left out)"]);
});
