import { beforeEach, expect, test } from "vitest";
import { type DeployProgress, encodeDeployProgress, parseDeployProgress } from "../protocol/deploy-progress.ts";
import { handoverFigures } from "../protocol/handover-figures.ts";
import { DeployTelling } from "./deploy-telling.ts";
import { RolledBack } from "./rolled-back.ts";

let now: number;
let told: DeployProgress[];
let telling: DeployTelling;

beforeEach(() => {
  [now, told] = [1_000, []];
  const tell = (progress: DeployProgress) => void told.push(parseDeployProgress(encodeDeployProgress(progress)));
  telling = new DeployTelling({ id: "d1", what: "deploy", by: "ada (process 12)", tell, wallClock: () => now });
});

test("it is told at once, and each step as it begins, changes and ends, with the time that it took", () => {
  expect(told).toEqual([{ id: "d1", what: "deploy", by: "ada (process 12)", startedAt: 1_000, steps: [] }]);
  telling.step("checking types");
  now = 3_000;
  telling.step("a setting is unknown", "note");
  telling.step("watching for 5 s");
  telling.step("watching for 5 s (7 turns)", "update");
  now = 3_500;
  telling.step("watching failed: a worker died", "failed");
  telling.step("release 1 is still warm");
  expect(told.at(-1)?.steps).toEqual([
    { text: "checking types", state: "done", at: 1_000, ms: 2_000 },
    { text: "a setting is unknown", state: "note", at: 3_000, ms: 0 },
    { text: "watching failed: a worker died", state: "failed", at: 3_000, ms: 500 },
    { text: "release 1 is still warm", state: "running", at: 3_500, ms: 0 },
  ]);
});

const switched = { release: "2", previous: "1", generation: 2, ...handoverFigures([], 2), steps: [], totalMs: 1, errors: [], watch: null };

test("its end: what serves now, and the report", () => {
  telling.step("handing connections over");
  telling.done(switched);
  expect(told.at(-1)).toMatchObject({
    steps: [{ state: "done" }],
    outcome: { kind: "serves", text: expect.stringMatching(/^release 2 serves \(before: release 1\)\n/) },
  });
});

test("its end: it was refused, or rolled back and why", () => {
  telling.step("checking types");
  telling.failed(new Error("worker/handlers/chat.ts:3: wrong"));
  expect(told.at(-1)).toMatchObject({
    steps: [{ state: "failed" }],
    outcome: { kind: "refused", text: "worker/handlers/chat.ts:3: wrong" },
  });
  const rate = { turns: 10, thrown: 10 };
  const facts = {
    release: "2",
    backTo: "1",
    reason: "throws",
    now: rate,
    before: rate,
    closed: {},
    closedGoingBack: {},
    errors: [],
  } as const;
  const finding = { reason: "throws", text: "its turns throw clearly more often than before", now: rate, forFew: false, ms: 900 } as const;
  telling.failed(new RolledBack(finding, facts, { report: switched }));
  expect(told.at(-1)?.outcome).toMatchObject({ kind: "rolledBack", text: expect.stringContaining("release 2 was rolled back") });
  telling.failed(new RolledBack(finding, { ...facts, backTo: null }, { failure: "there is no release to go back to" }));
  expect(told.at(-1)?.outcome?.kind).toBe("failed");
});

test("however many steps and however long their texts, what is told is bounded", () => {
  for (let index = 0; index < 100; index++) telling.step("x".repeat(10_000));
  telling.failed(new Error("y".repeat(100_000)));
  const last = told.at(-1);
  expect([last?.steps.length, last?.steps[0]?.text.length, last?.outcome?.text.length]).toEqual([40, 400, 4_000]);
});
