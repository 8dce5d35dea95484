// Does the code of a release fit together? TypeScript is checked as strictly as the clone has it. JavaScript is checked for what
// is wrong whatever its author may have meant, and never for annotations, which it cannot have.

import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { join, normalize } from "node:path";
import { missingTypes } from "../../scripts/setup/packages.mjs";
import { type CheckOptions, lastWords, lateText, runCheck } from "./check-process.ts";
import { type HandlerFolders, handlerFolders } from "./handler-folders.ts";
import type { ReleaseProblem } from "./refusal.ts";

const javaScript = /\.(?:js|mjs|cjs|jsx)$/;
const ours = new Set(["worker/confinement-hook.mjs", "process/typescript.mjs", "process/native-typescript.mjs"].map(normalize));

/** Less than the clone asks for: names that nobody uses are a matter of its taste, and break nothing. */
const strict = { checkJs: false, noUnusedLocals: false, noUnusedParameters: false };

const loose = {
  ...strict,
  checkJs: true,
  strict: false,
  noUncheckedIndexedAccess: false,
  exactOptionalPropertyTypes: false,
  noImplicitOverride: false,
  noFallthroughCasesInSwitch: false,
};

/** TS7…: something has no type. TS2698: a spread of something that has none. */
const annotationCodes = /^TS(?:7\d{3}|2698):/;
/** What JSON.parse has returned, say: only an annotation could tell what it is. */
const untyped = /'(?:unknown|never|\{\})'/;
const unknownProperty = /^TS(?:2339|2551): Property '([\w$]+)' does not exist/;
/** Not a path. */
const missingPackage = /^TS2307: Cannot find module '((?:@[\w.-]+\/)?\w[\w.-]*)(?:\/[^']*)?'/;

/** @throws the signal's reason. */
export async function checkTypes(options: CheckOptions): Promise<ReleaseProblem[]> {
  const { clone, files, isFirst, onStep } = options;
  const lacking = missingTypes(clone);
  if (lacking.length > 0) {
    const text = `the type check lacks ${lacking.join(", ")}, which npm installs with: npm install --include=dev`;
    if (!isFirst) return [{ file: "package.json", text }];
    onStep(`types are not checked: ${text}`);
    return [];
  }
  const checks = [compile("release", strict, options)];
  // Another run, since a file cannot have options of its own.
  const isUsers = (file: string) => isUsersJavaScript(file, options);
  if (files.some(isUsers))
    checks.push(
      compile("javascript", loose, options).then((problems) => {
        const ofUsers = problems.filter(({ file }) => isUsers(file));
        return mistakesInJavaScript(ofUsers, (file) => assignedIn(readFileSync(join(options.folder, file), "utf8")));
      }),
    );
  const problems = (await Promise.all(checks)).flat();
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
}

/** Not what is for browsers. */
function isUsersJavaScript(file: string, folders: HandlerFolders): boolean {
  const isForBrowsers = handlerFolders(folders).some(
    (folder) => file.startsWith(`${folder}/`) && file.slice(folder.length).includes("/public/"),
  );
  return javaScript.test(file) && !ours.has(file) && !isForBrowsers;
}

/** @param propertiesOf All that a file assigns: in JavaScript, that is how a property is made, as `error.data = …`. */
function mistakesInJavaScript(problems: readonly ReleaseProblem[], propertiesOf: (file: string) => Set<string>): ReleaseProblem[] {
  const known = new Map<string, Set<string>>();
  return problems.filter(({ file, text }) => {
    if (annotationCodes.test(text) || untyped.test(text)) return false;
    const [, property] = unknownProperty.exec(text) ?? [];
    if (property === undefined) return true;
    const assigned = known.get(file) ?? propertiesOf(file);
    known.set(file, assigned);
    return !assigned.has(property);
  });
}

function assignedIn(text: string): Set<string> {
  return new Set(Array.from(text.matchAll(/\.([\w$]+)\s*=(?![=>])/g), ([, property = ""]) => property));
}

async function compile(name: string, compilerOptions: Readonly<Record<string, boolean>>, options: CheckOptions): Promise<ReleaseProblem[]> {
  const { clone, folder, handlersDir } = options;
  const configuration = {
    extends: "./tsconfig.json",
    // Types are of no use to a worker: they stay in the clone.
    compilerOptions: { noEmit: true, typeRoots: [join(clone, "node_modules", "@types")], ...compilerOptions },
    include: ["worker", ...handlerFolders(options)],
    // Scripts for browsers: they know other names than Node.
    exclude: ["**/node_modules", ...handlerFolders(options).map((name) => `${name}/**/public`)],
  };
  const configurationFile = `tsconfig.${name}.json`;
  await writeFile(join(folder, configurationFile), JSON.stringify(configuration));
  const compiler = join(clone, "node_modules", "typescript", "bin", "tsc");
  // A single thread takes as long and less CPU time, 0.46 s instead of 0.74 s on two cores, which serve meanwhile.
  const command = [process.execPath, compiler, "--singleThreaded", "--pretty", "false", "-p", configurationFile];
  const result = await runCheck(command, options);
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
    const [, file = "tsconfig.json", line, code, message] = found;
    const text = `${code}: ${message}`;
    const [, missing] = missingPackage.exec(text) ?? [];
    const advice = missing === undefined || isBuiltin(missing) ? "" : ` (npm install --save-prod ${missing})`;
    problems.push({ file, ...(line !== undefined && { line: Number(line) }), text: text + advice });
  }
  return problems;
}
