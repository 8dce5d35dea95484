// npm run status: what the running installation is doing.

import { parseFlags } from "./arguments.ts";
import { cacheFolder } from "./setup/cache.mjs";
import { askSupervisor, NotRunning } from "./supervisor/control.ts";
import { type Status, statusText } from "./supervisor/status.ts";

const usage = `npm run status [-- options]

Gateways, workers, the active release, connections, parked messages and rates.

  --json    one line of JSON, for programs`;

export async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, usage, ["json"]);
  if (typeof flags === "number") return flags;
  try {
    const outcome = await askSupervisor<Status>(cacheFolder(process.env), { request: "status" }, () => undefined);
    if (!outcome.ok) return fail(outcome.error);
    process.stdout.write(`${flags.json ? JSON.stringify(outcome.result) : statusText(outcome.result)}\n`);
    return 0;
  } catch (error) {
    if (error instanceof NotRunning) return fail(error.message);
    throw error;
  }
}

function fail(text: string): number {
  process.stderr.write(`${text}\n`);
  return 1;
}
