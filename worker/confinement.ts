// What a worker imports lies in its own folder, packages included. A release lies within the clone, whose node_modules Node
// would find too: a development package would then do, until somebody removes it, and not at all on another machine.

import { lstatSync, readFileSync, realpathSync } from "node:fs";
import module from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as v from "valibot";
import { initialize, resolveSync } from "./confinement-hook.mjs";

const names = v.optional(v.record(v.string(), v.unknown()), {});
const packageFile = v.object({ dependencies: names, optionalDependencies: names, peerDependencies: names, devDependencies: names });

/** From Node 22.15 on: it runs in this thread. Those before have `register` only, which newer ones warn of. */
const { registerHooks } = module as Partial<Pick<typeof module, "registerHooks">>;

/**
 * From now on an import of anything else fails, in this thread. Not so what CommonJS modules require: they are in packages, and
 * npm knows what those need.
 * @param folder The worker's. In dev mode its node_modules is a link: what that leads to counts as its own.
 */
export function confine(folder: string): void {
  const packages = join(folder, "node_modules");
  const homes = [realpathSync(folder), realpathSync(packages)].map((home) => `${pathToFileURL(home).href}/`);
  const data = { homes, refused: lstatSync(packages).isSymbolicLink() ? [] : developmentPackages(folder) };
  if (registerHooks === undefined) return module.register("./confinement-hook.mjs", import.meta.url, { data });
  initialize(data);
  registerHooks({ resolve: resolveSync });
}

/** A release has those of them that a production package needs, too. */
function developmentPackages(folder: string): string[] {
  const parsed = v.parse(packageFile, JSON.parse(readFileSync(join(folder, "package.json"), "utf8")));
  const { devDependencies, ...others } = parsed;
  const wanted = new Set(Object.values(others).flatMap(Object.keys));
  return Object.keys(devDependencies).filter((name) => !wanted.has(name));
}
