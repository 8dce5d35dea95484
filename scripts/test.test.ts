import { expect, test } from "vitest";
import config from "../vitest.config.ts";
import { planRuns } from "./test.ts";

const everything = (config.test?.projects ?? []).map((project) =>
  typeof project === "object" && "test" in project ? project.test?.name : project,
);

test.each([[["here"]], [["24"]], [["here", "24"]], [["20", "24"]]])(
  "nothing is left out by all of %j, but machines in containers",
  (places) => {
    const run = new Set(planRuns(places, { isChosen: false }).flatMap(({ projects }) => projects));
    expect(new Set(everything.filter((name) => name !== "systemd" || places.includes("here")))).toEqual(run);
  },
);

test("of several, the last one runs what says the same with every Node, and properties to their end; what is chosen runs in each", () => {
  const placesOf = (isChosen: boolean) => {
    const runs = planRuns(["here", "24"], { isChosen });
    for (const { projects, isBrief } of runs) expect(isBrief).toBe(!projects.includes("any-node"));
    return runs.flatMap(({ place, isBrief }) => (isBrief ? [] : [place]));
  };
  expect(placesOf(false)).toEqual(["24"]);
  expect(placesOf(true)).toEqual(["here", "24"]);
});
