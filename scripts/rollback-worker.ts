// npm run rollback-worker: asks whoever runs the workers to go back to the release that served before.

import { parseFlagsAndWord } from "../process/arguments.ts";
import { ownName } from "../supervisor/control.ts";
import { showReplacement } from "./replacement.ts";

const usage = `npm run rollback-worker [-- [RELEASE] options]

Back to the release that was active before this one: at once while its workers are still warm, else they are started first.
While a deploy watches its release, that deploy ends.

  RELEASE   that one instead: any that is kept, newer ones too. npm run status lists them
  --force   even if open connections are closed: their path is not served any more, or their state does not fit the release
  --json    one line of JSON, for programs
  --local   for npm start in this clone, although this machine runs thinstate as services`;

export async function run(args: readonly string[]): Promise<number> {
  const parsed = parseFlagsAndWord(args, usage, ["force", "json", "local"], "RELEASE");
  if (typeof parsed === "number") return parsed;
  const { flags, word } = parsed;
  const request = { request: "rollback" as const, to: word ?? null, force: flags.force, who: ownName() };
  return showReplacement(request, { isJson: flags.json, target: flags.local ? "local" : undefined });
}
