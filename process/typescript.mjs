// How TypeScript runs here: `node --import ./process/typescript.mjs main.ts`. Node 22.18 and later read erasable TypeScript
// themselves, and keep what they have compiled: a worker then takes a third of the processor time to start. For older ones, tsx
// reads it. Plain JavaScript, since nothing reads TypeScript yet.

import module from "node:module";
import { fileURLToPath } from "node:url";
import { compiledFolder, isNative, readAllTypeScript } from "./native-typescript.mjs";

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
