// What Node itself does about TypeScript, and what is left to tsx. Importing this changes nothing: typescript.mjs does. Plain JavaScript,
// since nothing may read TypeScript yet.

import module from "node:module";

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
