// How Node runs gateways, workers, and the trial of a release.

import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * V8 compiles what is called for the first time, quickly, instead of interpreting it for a while. A worker takes 10 MB more, and
 * some 50 ms longer to start; it answers its first messages sooner: of three deploys' p99.9 of 48 to 60 ms, 30 to 33 are left.
 * Code that was compiled with other flags is compiled again.
 */
export const commonFlags = ["--always-sparkplug"];

/**
 * V8's young generation in MB, 16 by itself. A gateway keeps what a connection needs and hardly anything else: of one that has
 * just started, 10,000 idle connections take 2,100 to 2,500 bytes each with 4, 3,300 with 8 and 4,900 with 16; echo is as fast.
 */
export const gatewayFlags = ["--max-semi-space-size=4"];

const loader = "process/typescript.mjs";

/**
 * What `--import` gets in a clone or a release: releases from before 0.3.0 have tsx alone. The tsx binary would not do: killed, it
 * leaves its child behind.
 */
export function typeScriptLoader(folder: string): string {
  return existsSync(join(folder, loader)) ? `./${loader}` : "tsx";
}
