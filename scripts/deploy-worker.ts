// npm run deploy-worker: asks whoever runs the workers to replace them by a release of the working tree.

import { parseFlags } from "../process/arguments.ts";
import { ownName } from "../supervisor/control.ts";
import { showReplacement } from "./replacement.ts";

const usage = `npm run deploy-worker [-- options]

Checks types and handlers of the working tree, starts it as standby, activates it, hands the connections over and drains
what served before. Anything wrong before the activation: what served still serves, exit code 1. Afterwards it watches for
WATCH_MS (of npm start): where a worker crashes, or turns throw clearly more often than before, it goes back by itself.

  --force   even if open connections are closed: their path is not served any more, or their state does not fit the release
  --json    one line of JSON, for programs
  --local   for npm start in this clone, although this machine runs thinstate as services`;

export async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, usage, ["force", "json", "local"]);
  if (typeof flags === "number") return flags;
  // For an installation that was started with WORKERS=0; 0 lets the supervisor choose.
  const workers = /^[0-9]{1,4}$/.test(process.env.WORKERS ?? "") ? Number(process.env.WORKERS) : 0;
  const request = { request: "deploy" as const, force: flags.force, workers, who: ownName() };
  return showReplacement(request, { isJson: flags.json, target: flags.local ? "local" : undefined });
}
