// What a worker imports lies in its own folder, packages included. A release lies within the clone, whose node_modules Node
// would find too: a development package would then do, until somebody removes it, and not at all on another machine.

import { realpathSync } from "node:fs";
import { register } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * From now on an import of anything else fails, in this thread. Not so what CommonJS modules require: they are in packages, and
 * npm knows what those need.
 * @param folder The worker's. In dev mode its node_modules is a link: what that leads to counts as its own.
 */
export function confine(folder: string): void {
  const homes = [realpathSync(folder), realpathSync(join(folder, "node_modules"))].map((home) => `${pathToFileURL(home).href}/`);
  register("./confinement-hook.mjs", import.meta.url, { data: homes });
}
