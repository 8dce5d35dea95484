// How Node runs gateways, workers, and the trial of a release.

import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * V8 compiles what is called for the first time, quickly, instead of interpreting it for a while. A worker takes 10 MB more, and
 * some 50 ms longer to start; it answers its first messages sooner: of three deploys' p99.9 of 48 to 60 ms, 30 to 33 are left.
 * Code that was compiled with other flags is compiled again.
 */
export const commonFlags = ["--always-sparkplug"];

const loader = "process/typescript.mjs";

/**
 * What `--import` gets in a clone or a release: releases from before 0.3.0 have tsx alone. The tsx binary would not do: killed, it
 * leaves its child behind.
 */
export function typeScriptLoader(folder: string): string {
  return existsSync(join(folder, loader)) ? `./${loader}` : "tsx";
}
