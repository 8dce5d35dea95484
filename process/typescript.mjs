// How TypeScript runs here: `node --import ./process/typescript.mjs main.ts`. Node 22.18 and later read erasable TypeScript
// themselves, and keep what they have compiled: a worker then takes a third of the processor time to start. For older ones, tsx
// reads it. Plain JavaScript, since nothing reads TypeScript yet.

import module from "node:module";
import { fileURLToPath } from "node:url";

/** Whether Node reads TypeScript itself. */
export const isNative = process.features.typescript === "strip";

/** Where it keeps what it has compiled, relative to the clone or the release. */
export const compiledFolder = ".thinstate/compiled";

/** Reads from now on what Node leaves out, too: enums, decorators, imports without an extension. Handlers may have them. */
export async function readAllTypeScript() {
  await import(import.meta.resolve("tsx"));
}

/** Node keeps it by itself where a process ends in order; one that is killed later has to have done it before. */
export function keepCompiled() {
  if (isNative) module.flushCompileCache();
}

if (isNative) {
  const directory = fileURLToPath(new URL(`../${compiledFolder}`, import.meta.url));
  try {
    // Found by paths relative to the folder, since a release is moved after its trial has compiled it.
    module.enableCompileCache({ directory, portable: true });
  } catch {
    // The first ones of 22 and 24 know no options.
    module.enableCompileCache(directory);
  }
} else {
  await readAllTypeScript();
}
