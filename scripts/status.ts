// npm run status: what the running installation is doing.

import { parseFlags } from "../process/arguments.ts";
import { NotRunning } from "../supervisor/control.ts";
import { type Status, statusText } from "../supervisor/status.ts";
import { visible } from "./setup/visible.mjs";
import { findTarget, NotRoot } from "./target-installation.ts";

const usage = `npm run status [-- options]

Shows gateways, workers, releases (active, warm, kept), connections, parked messages and rates.

  --json    print one line of JSON, for programs
  --local   use the npm start of this clone, even if this machine runs thinstate as services`;

export async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, usage, ["json", "local"]);
  if (typeof flags === "number") return flags;
  try {
    const target = await findTarget({ command: "status", wanted: flags.local ? "local" : undefined, env: process.env });
    const outcome = await target.ask<Status>({ request: "status" }, () => undefined);
    if (!outcome.ok) return fail(outcome.error);
    process.stdout.write(`${flags.json ? JSON.stringify(outcome.result) : visible(statusText(outcome.result))}\n`);
    return 0;
  } catch (error) {
    if (error instanceof NotRunning || error instanceof NotRoot) return fail(error.message);
    throw error;
  }
}

function fail(text: string): number {
  process.stderr.write(`${visible(text)}\n`);
  return 1;
}
