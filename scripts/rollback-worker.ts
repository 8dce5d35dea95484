// npm run rollback-worker: asks whoever runs the workers to go back to the release that served before.

import { parseFlagsAndWord } from "../process/arguments.ts";
import { ownName } from "../supervisor/control.ts";
import { replaceWorkers } from "./replace-workers.ts";

const usage = `npm run rollback-worker [-- [RELEASE] options]

Goes back to the previous release: at once while its workers are still warm; otherwise they are started first. A deploy that is
still watching its release ends.

  RELEASE   go to this release instead: any that is kept, newer ones too. npm run status lists them
  --force   close open connections whose path is no longer served, or whose state does not fit the release
  --json    print one line of JSON, for programs
  --local   use the npm start of this clone, even if this machine runs thinstate as services`;

export async function run(args: readonly string[]): Promise<number> {
  const parsed = parseFlagsAndWord(args, usage, ["force", "json", "local"], "RELEASE");
  if (typeof parsed === "number") return parsed;
  const { flags, word } = parsed;
  const request = { request: "rollback" as const, to: word ?? null, force: flags.force, who: ownName() };
  return replaceWorkers(request, { isJson: flags.json, target: flags.local ? "local" : undefined });
}
