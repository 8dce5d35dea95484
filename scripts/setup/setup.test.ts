import { expect, test } from "vitest";
import { installPackages } from "./setup.mjs";

test.each([
  [true, []],
  [false, ["--ignore-scripts"]],
])("packages run scripts of their own only where they may: %j", async (withScripts, more) => {
  const runs: string[][] = [];
  const run = (args: string[]) => {
    runs.push(args);
    return Promise.resolve(undefined);
  };
  await installPackages({ run }, { listMissing: () => [], withScripts });
  expect(runs.map((args) => args.filter((each) => /scripts|dev/.test(each)))).toEqual([["--include=dev", ...more]]);
});
