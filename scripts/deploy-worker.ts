// npm run deploy-worker: asks whoever runs the workers to replace them by a release of the working tree.

import { parseFlags } from "../process/arguments.ts";
import { ownName } from "../supervisor/control.ts";
import { replaceWorkers } from "./replace-workers.ts";

const usage = `npm run deploy-worker [-- options]

Makes a release of the working tree: checks its types and handlers, starts its workers, activates it and moves all connections.
If anything is wrong before the activation, the old release goes on serving, and the exit code is 1. After the activation, the
server watches the release for WATCH_MS; if a worker crashes, or turns throw clearly more often than before, it rolls back.

  --force   close open connections whose path is no longer served, or whose state does not fit the release
  --json    print one line of JSON, for programs
  --local   use the npm start of this clone, even if this machine runs thinstate as services`;

export async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, usage, ["force", "json", "local"]);
  if (typeof flags === "number") return flags;
  // For an installation that was started with WORKERS=0; 0 lets the supervisor choose.
  const workers = /^[0-9]{1,4}$/.test(process.env.WORKERS ?? "") ? Number(process.env.WORKERS) : 0;
  const request = { request: "deploy" as const, force: flags.force, workers, who: ownName() };
  return replaceWorkers(request, { isJson: flags.json, target: flags.local ? "local" : undefined });
}
