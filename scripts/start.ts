// npm start: an installation that serves until a signal ends it.

import { parseFlags } from "../process/arguments.ts";
import { serve } from "./serve.ts";

const usage = `npm start

Starts nats-server (unless NATS_URL names one), GATEWAYS gateways and WORKERS workers, and prints "ready ws://…" as soon as
a message could be answered. Ctrl-C ends all of them. Settings are environment variables: see docs/configuration.md.`;

export async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, usage, []);
  if (typeof flags === "number") return flags;
  process.exit(await serve({ isDev: false, onReady: () => undefined }));
}
