// The trial process of a deploy: it loads all handlers as a worker would, says which one it begins, and in a last line of JSON how
// that went, and exits 0 or 1. It starts nothing: onStart is not run, NATS not asked.
// node --import ./process/typescript.mjs worker/trial.ts <folder of handlers> [<folder of demos>]

import { writeSync } from "node:fs";
import { resolve } from "node:path";
import { readAllTypeScript } from "../process/native-typescript.mjs";
import { confine } from "./confinement.ts";
import { HandlersError, type Problem, problemOf } from "./load-problem.ts";
import { loadHandlers } from "./loader.ts";
// What else a worker runs: compiled here, at low priority, once for all workers of the release.
import "./run.ts";

const [folder, ...more] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write("usage: node --import ./process/typescript.mjs worker/trial.ts <folder of handlers> [<folder of demos>]\n");
  process.exit(2);
}

// What a module left behind may throw at any time, and is a problem of the release as much as a throw at load.
process.on("uncaughtException", (error) => report([strayProblem(error, folder)]));

await readAllTypeScript();
confine(process.cwd());
try {
  // At once, since a module that loops for ever lets nothing else happen.
  const onBegin = (file: string) => writeSync(1, `\n${JSON.stringify({ loading: file })}\n`);
  const { routes } = await loadHandlers([folder, ...more], { onBegin, isPatient: true });
  report([], routes);
} catch (error) {
  report(error instanceof HandlersError ? error.problems : [strayProblem(error, folder)]);
}

function strayProblem(error: unknown, handlers: string): Problem {
  return problemOf(error, resolve(handlers), { root: process.cwd(), handlers: resolve(handlers) });
}

// The last line, and whole, whatever a module printed before. Exits by itself, since modules leave timers and sockets open.
function report(problems: readonly Problem[], routes: readonly unknown[] = []): void {
  const verdict = problems.length === 0 ? { ok: true, routes } : { ok: false, problems };
  process.stdout.write(`\n${JSON.stringify(verdict)}\n`, () => process.exit(problems.length === 0 ? 0 : 1));
}
