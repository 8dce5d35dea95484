// Is a release worth activating? Its worker side is type checked, and its handlers are loaded by a trial process, both at
// once and both in the release's own folder, where nobody edits meanwhile.

import { join } from "node:path";
import * as v from "valibot";
import type { RouteHello } from "../../protocol/membership.ts";
import { commonFlags, typeScriptLoader } from "../node-flags.ts";
import { type CheckOptions, lastWords, lateText, runAsWorker, runCheck } from "./check-process.ts";
import { handlerFolders } from "./handler-folders.ts";
import { routeHellos } from "./manifest.ts";
import { ReleaseError, type ReleaseProblem } from "./refusal.ts";
import { checkTypes } from "./type-check.ts";
import { withReason } from "./why-missing.ts";

const verdict = v.variant("ok", [
  v.object({ ok: v.literal(true), routes: routeHellos }),
  v.object({
    ok: v.literal(false),
    problems: v.array(v.object({ file: v.string(), line: v.optional(v.number()), code: v.string(), text: v.string() })),
  }),
]);

/**
 * @returns the routes of the release.
 * @throws {ReleaseError} with what both checks found; the signal's reason.
 */
export async function checkRelease(options: CheckOptions): Promise<RouteHello[]> {
  const [types, trial] = await Promise.allSettled([checkTypes(options), tryHandlers(options)]);
  if (types.status === "rejected") throw types.reason;
  if (trial.status === "rejected") throw trial.reason;
  // A syntax error is found by both, in JavaScript by the trial without its line: the compiler's words for it are enough.
  const known = new Set(types.value.flatMap(({ file, line }) => [`${file}:${line}`, `${file}:undefined`]));
  const problems = [...types.value, ...trial.value.problems.filter(({ file, line }) => !known.has(`${file}:${line}`))];
  if (problems.length > 0) throw new ReleaseError(problems.map((problem) => withReason(problem, options)));
  return trial.value.routes;
}

async function tryHandlers(options: CheckOptions): Promise<{ problems: ReleaseProblem[]; routes: RouteHello[] }> {
  const { folder, handlersDir, sharedDir, handlerEnv, runAs } = options;
  const command = [
    runAs?.node ?? process.execPath,
    ...commonFlags,
    "--import",
    typeScriptLoader(folder),
    join("worker", "trial.ts"),
    ...handlerFolders(options),
  ];
  const result =
    runAs === undefined
      ? await runCheck(command, options, { ...handlerEnv, SHARED_DIR: sharedDir })
      : await runAsWorker(command, options, runAs);
  const fault = (text: string) => ({ problems: [{ file: lastBegun(result.stdout) ?? handlersDir, text }], routes: [] });
  // Handlers may print too; the verdict is the last line.
  const line = result.stdout.trimEnd().split("\n").at(-1) ?? "";
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), verdict), line);
  if (!parsed.success) {
    const late = lateText(result, options, "does it, or what it imports, loop for ever?");
    if (late !== undefined) return fault(`did not load within ${late}`);
    return fault(`ended the process with ${result.exitCode ?? result.signal} while it loaded: ${lastWords(result.stderr)}`);
  }
  if (parsed.output.ok) return { problems: [], routes: parsed.output.routes };
  const problems = parsed.output.problems.map(({ file, line, code, text }) => ({
    file,
    ...(line !== undefined && { line }),
    text: `${code}: ${text}`,
  }));
  return { problems, routes: [] };
}

/** The module that the trial process began to load last. */
function lastBegun(output: string): string | undefined {
  const [, file] = [...output.matchAll(/^\{"loading":(".*")\}$/gm)].at(-1) ?? [];
  return file === undefined ? undefined : (JSON.parse(file) as string);
}
