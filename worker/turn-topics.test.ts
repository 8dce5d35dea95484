import fc from "fast-check";
import { expect, test } from "vitest";
import { TurnTopics } from "./turn-topics.ts";

const names = ["a", "b", "c"];

test("it has what a set would have, and the connection's own change only at a commit", () => {
  const step = fc.tuple(fc.constantFrom("add", "delete", "commit", "roll back"), fc.constantFrom(...names));
  fc.assert(
    fc.property(fc.uniqueArray(fc.constantFrom(...names)), fc.array(step), (topics, steps) => {
      const committed = new Set(topics);
      let kept = new Set(topics);
      let model = new Set(topics);
      let turn = new TurnTopics(committed);
      for (const [what, topic] of steps) {
        if (what === "add") {
          turn.add(topic);
          model.add(topic);
        } else if (what === "delete") {
          turn.delete(topic);
          model.delete(topic);
        } else if (what === "commit") {
          turn.commit();
          kept = new Set(model);
        } else {
          turn = new TurnTopics(committed);
          model = new Set(kept);
        }
        expect(turn.all).toEqual(model);
        expect(turn.size).toBe(model.size);
        for (const each of names) expect(turn.has(each)).toBe(model.has(each));
        expect(committed).toEqual(kept);
      }
    }),
  );
});

test("a set that was shown does not change: a handler may change the topics while it goes through them", () => {
  const turn = new TurnTopics(new Set(["a", "b"]));
  const shown = turn.all;
  for (const topic of shown) {
    turn.delete(topic);
    turn.add(`${topic}!`);
  }
  expect([...shown]).toEqual(["a", "b"]);
  expect(turn.all).toBe(turn.all);
  expect([...turn.all]).toEqual(["a!", "b!"]);
});

// With a copy for each of them, five thousand million steps: far beyond a test's time.
test("a hundred thousand changes take a hundred thousand steps", () => {
  const turn = new TurnTopics(new Set());
  for (let topic = 0; topic < 100_000; topic++) turn.add(String(topic));
  expect(turn.size).toBe(100_000);
  for (let topic = 0; topic < 100_000; topic++) turn.delete(String(topic));
  expect(turn.size).toBe(0);
});
