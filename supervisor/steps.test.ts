import { expect, test } from "vitest";
import { type StepEvent, Steps } from "./steps.ts";

test("a step begins, changes its figures, and may end badly; the report has the names of all", () => {
  const said: [string, StepEvent | undefined][] = [];
  const steps = new Steps((text, event) => said.push([text, event]));
  steps.begin("watching");
  steps.update("watching (1 of 2)");
  steps.update("watching (1 of 2)");
  steps.fail("watching: failed, a worker crashed");
  steps.begin("going back");
  expect(said).toEqual([
    ["watching", undefined],
    ["watching (1 of 2)", "update"],
    ["watching: failed, a worker crashed", "failed"],
    ["going back", undefined],
  ]);
  expect(steps.end().steps.map(({ step }) => step)).toEqual(["watching", "going back"]);
});
