import { expect, test } from "vitest";
import type { DeployProgress } from "../../protocol/deploy-progress.ts";
import { KnownDeploys } from "./known-deploys.ts";

const deploy: DeployProgress = { id: "d1", what: "deploy", by: "ada", startedAt: 1, steps: [] };

test("each is known as it was told last, the latest first", () => {
  const deploys = new KnownDeploys();
  deploys.hear(deploy);
  deploys.hear({ ...deploy, id: "d2", what: "rollback", startedAt: 2 });
  deploys.hear({ ...deploy, outcome: { kind: "refused", text: "no", at: 3 } });
  expect(deploys.all).toMatchObject([{ id: "d2" }, { id: "d1", outcome: { kind: "refused" } }]);
});

test("the last five are kept", () => {
  const deploys = new KnownDeploys();
  for (let index = 1; index <= 9; index++) deploys.hear({ ...deploy, id: `d${index}`, startedAt: index });
  deploys.hear(deploy);
  expect(deploys.all.map(({ id }) => id)).toEqual(["d9", "d8", "d7", "d6", "d5"]);
});
