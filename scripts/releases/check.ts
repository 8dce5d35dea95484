// Is a release worth activating? Its worker side is type checked, and its handlers are loaded by a trial process, both at
// once and both in the release's own folder, where nobody edits meanwhile.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { RouteHello } from "../../protocol/membership.ts";
import { missingTypes } from "../setup/packages.mjs";
import { type ChildOptions, type ChildResult, runChild } from "./child.ts";
import { routeHellos } from "./manifest.ts";

export interface ReleaseProblem {
  /** Relative to the clone. */
  readonly file: string;
  readonly line?: number;
  readonly text: string;
}

/** Why no release was made. */
export class ReleaseError extends Error {
  readonly problems: readonly ReleaseProblem[];

  constructor(problems: readonly ReleaseProblem[]) {
    super(problems.map(({ file, line, text }) => `${line === undefined ? file : `${file}:${line}`}: ${text}`).join("\n"));
    this.name = "ReleaseError";
    this.problems = problems;
  }
}

export interface CheckOptions {
  readonly clone: string;
  /** Of the release. */
  readonly folder: string;
  readonly handlersDir: string;
  readonly sharedDir: string;
  /** How much processor time the type check, and the load of all handlers, may take each. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** As for `make`. */
  readonly isFirst: boolean;
  readonly onStep: (text: string) => void;
  /** How workers will run, where that is not as this process does. */
  readonly runAs?: RunAs | undefined;
}

/** How handlers are loaded to try them. */
export interface RunAs {
  readonly user: string;
  /** A Node.js that the user may run. */
  readonly node: string;
  /** On top of our own environment. */
  readonly env: NodeJS.ProcessEnv;
}

/** On a busy machine, who has low priority gets a tenth of a core, and less: by the clock, a check may take so many times as long. */
const clockFactor = 30;

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
  if (problems.length > 0) throw new ReleaseError(problems);
  return trial.value.routes;
}

async function checkTypes(options: CheckOptions): Promise<ReleaseProblem[]> {
  const { clone, folder, handlersDir, isFirst, onStep } = options;
  const lacking = missingTypes(clone);
  if (lacking.length > 0) {
    const text = `the type check lacks ${lacking.join(", ")}, which npm installs with: npm install --include=dev`;
    if (!isFirst) return [{ file: "package.json", text }];
    onStep(`types are not checked: ${text}`);
    return [];
  }
  const configuration = {
    extends: "./tsconfig.json",
    compilerOptions: {
      noEmit: true,
      // Types are of no use to a worker: they stay in the clone.
      typeRoots: [join(clone, "node_modules", "@types")],
      // A name that nobody uses is a matter of the clone's taste, and breaks nothing.
      noUnusedLocals: false,
      noUnusedParameters: false,
    },
    include: ["worker", handlersDir],
  };
  const configurationFile = "tsconfig.release.json";
  await writeFile(join(folder, configurationFile), JSON.stringify(configuration));
  const compiler = join(clone, "node_modules", "typescript", "bin", "tsc");
  // A single thread takes as long and less CPU time, 0.46 s instead of 0.74 s on two cores, which serve meanwhile.
  const command = [process.execPath, compiler, "--singleThreaded", "--pretty", "false", "-p", configurationFile];
  const result = await runChild(command, childOptions(options));
  if (result.exitCode === 0) return [];
  const problems = parseDiagnostics(result.stdout);
  if (problems.length > 0) return problems;
  const late = lateText(result, options, "is there so much to check?");
  if (late !== undefined) return [{ file: handlersDir, text: `the type check did not end within ${late}` }];
  return [{ file: handlersDir, text: `the type check failed: ${lastWords(result.stderr || result.stdout)}` }];
}

/**
 * The compiler's errors by file and line: `worker/handlers/chat.ts(3,5): error TS2322: …`. Lines that go on about the error
 * before them start with a blank.
 */
export function parseDiagnostics(output: string): ReleaseProblem[] {
  const problems: ReleaseProblem[] = [];
  for (const found of output.matchAll(/^(?:(\S.*?)\((\d+),\d+\): )?error (TS\d+): (.*(?:\n[ \t].*)*)/gm)) {
    const [, file = "tsconfig.json", line, code, text] = found;
    problems.push({ file, ...(line !== undefined && { line: Number(line) }), text: `${code}: ${text}` });
  }
  return problems;
}

async function tryHandlers(options: CheckOptions): Promise<{ problems: ReleaseProblem[]; routes: RouteHello[] }> {
  const { handlersDir, sharedDir, runAs } = options;
  const user = runAs === undefined ? [] : ["setpriv", `--reuid=${runAs.user}`, `--regid=${runAs.user}`, "--clear-groups", "--"];
  const command = [...user, runAs?.node ?? process.execPath, "--import", "tsx", join("worker", "trial.ts"), handlersDir];
  const env = { ...runAs?.env, SHARED_DIR: sharedDir };
  const result = await runChild(command, { ...childOptions(options), env });
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

function childOptions({ folder, signal, limitMs, isFirst }: CheckOptions): ChildOptions {
  return { cwd: folder, signal, processorLimitMs: limitMs, limitMs: clockFactor * limitMs, isModest: !isFirst };
}

/** "20 s of processor time: does it loop?"; undefined where it was not cut off. @param question What to ask of one that had all of it. */
function lateText({ limit, busy }: ChildResult, { limitMs }: CheckOptions, question: string): string | undefined {
  if (limit === undefined) return undefined;
  const advice = "CHECK_TIMEOUT_MS gives it more";
  if (limit === "processor") return `${limitMs / 1000} s of processor time: ${question} ${advice}`;
  return `${(clockFactor * limitMs) / 1000} s: ${busy ?? "it waits for something that does not come"}; ${advice}`;
}

/** The module that the trial process began to load last. */
function lastBegun(output: string): string | undefined {
  const [, file] = [...output.matchAll(/^\{"loading":(".*")\}$/gm)].at(-1) ?? [];
  return file === undefined ? undefined : (JSON.parse(file) as string);
}

function lastWords(output: string): string {
  return output.trim().split("\n").slice(-5).join("\n") || "it said nothing";
}
