import { beforeEach, expect, test } from "vitest";
import { ApiError, jsonAnswer } from "./api-error.ts";
import { type Call, IdempotentAnswers, onceOf } from "./idempotent-answers.ts";

let now: number;
let runs: number;
let answers: IdempotentAnswers;

beforeEach(() => {
  now = 0;
  runs = 0;
  answers = new IdempotentAnswers({ now: () => now, limits: () => ({ answers: 2, keptMs: 1_000 }) });
});

const call: Call = { method: "POST", path: "/publish", query: "", mediaType: "text/plain", body: Buffer.from("a") };
const run = () => jsonAnswer(202, { run: ++runs });
const ask = (key: string, changed: Partial<Call> = {}, owner = "shop") =>
  answers.answer(onceOf(owner, key, { ...call, ...changed }), run).body;

test("the same call is answered as before, and not done again", () => {
  expect([ask("k"), ask("k"), ask('"k"')]).toEqual(Array(3).fill('{"run":1}'));
  expect(runs).toBe(1);
});

test.each([{ body: Buffer.from("b") }, { path: "/publish/x" }, { query: "topic=x" }, { mediaType: "application/json" }])(
  "another call with the same key is refused: %j",
  (changed) => {
    ask("k");
    expect(() => ask("k", changed)).toThrow(expect.objectContaining({ code: "api.idempotency", status: 422 }));
    expect(runs).toBe(1);
  },
);

test("another program's keys are its own", () => {
  expect([ask("k"), ask("k", {}, "blog")]).toEqual(['{"run":1}', '{"run":2}']);
});

test("a call that was refused is done when it is sent again", () => {
  const refuse = () => {
    throw new ApiError("nats.away");
  };
  expect(() => answers.answer(onceOf("shop", "k", call), refuse)).toThrow(ApiError);
  expect(ask("k")).toBe('{"run":1}');
});

test("a call that fails later is done when it is sent again; until then, whoever asks waits for the same", async () => {
  const rejects: Array<(error: Error) => void> = [];
  const failing = () => new Promise<string>((_resolve, reject) => void rejects.push(reject));
  const first = answers.answer(onceOf("shop", "k", call), failing);
  expect(answers.answer(onceOf("shop", "k", call), failing)).toBe(first);
  rejects[0]?.(new ApiError("history.unavailable"));
  await expect(first).rejects.toThrow(ApiError);
  expect(ask("k")).toBe('{"run":1}');
});

test("an answer is kept for its time only, and forgotten then", () => {
  ask("k");
  now = 999;
  expect(ask("k")).toBe('{"run":1}');
  now = 1_000;
  expect(ask("k", { body: Buffer.from("b") })).toBe('{"run":2}');
  now = 2_000;
  answers.sweep();
  expect(answers.size).toBe(0);
});

test("the latest are kept", () => {
  for (const key of ["a", "b", "c"]) ask(key);
  expect(answers.size).toBe(2);
  expect([ask("c"), ask("b"), ask("a")]).toEqual(['{"run":3}', '{"run":2}', '{"run":4}']);
});

test.each(["", "\u00e9", "x".repeat(256)])("%j is not a key", (key) => {
  expect(() => ask(key)).toThrow(expect.objectContaining({ code: "api.invalid" }));
});
