// node scripts/setup/complete-lock.mjs: asks the npm registry for the hashes that package-lock.json lacks, and writes them into
// it. Nothing that runs needs it: SECURITY.md says when to.

import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { clone } from "./cache.mjs";

const file = join(clone, "package-lock.json");
/** @type {{ packages: Record<string, { version?: string, name?: string, integrity?: string }> }} */
const lock = JSON.parse(readFileSync(file, "utf8"));

for (const [path, entry] of Object.entries(lock.packages)) {
  if (path === "" || entry.integrity !== undefined) continue;
  const name = entry.name ?? path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
  const integrity = await askRegistry(`${name}@${entry.version}`);
  process.stdout.write(`${name}@${entry.version}: ${integrity ?? "not in this registry"}\n`);
  // Behind the version, where npm has it.
  if (integrity !== undefined)
    lock.packages[path] = Object.assign({ name: entry.name, version: entry.version, integrity }, entry, { integrity });
}
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);

/** @param {string} wanted name@version */
async function askRegistry(wanted) {
  try {
    const { stdout } = await promisify(execFile)("npm", ["view", wanted, "dist.integrity"]);
    return stdout.trim() || undefined;
  } catch (error) {
    if (/\bE404\b/.test(/** @type {{ stderr?: string }} */ (error).stderr ?? "")) return undefined;
    throw error;
  }
}
