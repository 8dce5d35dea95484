// npm run rollback-worker: asks whoever runs the workers to go back to the release that served before.

import { parseFlags } from "./arguments.ts";
import { showReplacement } from "./replacement.ts";
import { ownName } from "./supervisor/control.ts";

const usage = `npm run rollback-worker [-- options]

Back to the release that was active before this one: at once while its workers are still warm, else they are started first.
While a deploy watches its release, that deploy ends.

  --force   even if a path with open connections is not served any more; they are closed
  --json    one line of JSON, for programs
  --local   for npm start in this clone, although this machine runs thinstate as services`;

export async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, usage, ["force", "json", "local"]);
  if (typeof flags === "number") return flags;
  const request = { request: "rollback" as const, force: flags.force, who: ownName() };
  return showReplacement(request, { isJson: flags.json, target: flags.local ? "local" : undefined });
}
