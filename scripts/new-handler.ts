// npm run new-handler: copies a demo, handler and page, to where it is changed.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { parseFlagsAndWord } from "../process/arguments.ts";
import { isCodedError } from "../protocol/errors.ts";
import { parseConfig } from "../supervisor/config.ts";
import { clone } from "./setup/cache.mjs";

const demos = join(clone, "examples", "demos");
/** What the pages of the demos load, wherever they are. */
const shared = "site";
/** Pages that lead to the demos. */
const notForCopies = new Set([shared, "index"]);

/** Of a demo, in the list of them. */
const sentenceCharacters = 110;

const usage = `npm run new-handler -- DEMO

Copies a demo with its page and its test to worker/handlers/DEMO (to HANDLERS_DIR, where that is set), as a beginning for a handler of
yours. The copy takes the place of the demo: it serves the same path, until you change its "path". Change its topics then, too: the demo
is served again, and uses the same. Nothing is overwritten.

${demoList()}`;

export async function run(args: readonly string[]): Promise<number> {
  const parsed = parseFlagsAndWord(args, usage, [], "demo");
  if (typeof parsed === "number") return parsed;
  const { word } = parsed;
  if (word === undefined || !demoNames().includes(word)) {
    return refuse(`${word === undefined ? "Which demo?" : `There is no demo "${word}".`}\n\n${usage}`, 2);
  }
  try {
    const { handlersDir } = parseConfig(process.env, clone);
    return copy(word, handlersDir);
  } catch (error) {
    if (isCodedError(error, "config.invalid")) return refuse(error.message);
    // A folder that may not be written, or a file where a folder is to be: its message names it.
    if (error instanceof Error && "syscall" in error) return refuse(error.message);
    throw error;
  }
}

function copy(demo: string, handlersDir: string): number {
  const to = join(handlersDir, demo);
  if (existsSync(join(clone, to))) return refuse(`${to} is there already. To begin anew, rename or remove it.`);
  // The demo last: where it is, all is.
  const parts = [...(existsSync(join(clone, handlersDir, shared)) ? [] : [shared]), demo];
  for (const part of parts) copyFolder(join(demos, part), join(clone, handlersDir, part));
  const said = [
    `copied ${parts.map((part) => join(handlersDir, part)).join(" and ")}`,
    `Change ${join(to, `${demo}.ts`)}, and its page in ${join(to, "public")}. Then: npm run deploy-worker`,
    `It serves /demos/${demo}/ in place of the demo. For another address, change its "path" and its topics, which the demo uses, too, and the`,
    `paths in ${join(to, `${demo}.test.ts`)}. What the pages load is in ${join(handlersDir, shared)}.`,
  ];
  process.stdout.write(`${said.join("\n")}\n`);
  return 0;
}

/** With imports that lead to the same files as before. */
function copyFolder(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, errorOnExist: true, force: false });
  for (const file of readdirSync(to)) {
    if (!file.endsWith(".ts")) continue;
    const text = readFileSync(join(from, file), "utf8");
    const moved = text.replaceAll(/(?<=from ")(?:\.\.\/)+[^"]+(?=")/g, (path) => importPath(to, resolve(from, path)));
    writeFileSync(join(to, file), moved);
  }
}

function importPath(folder: string, file: string): string {
  const path = relative(folder, file).replaceAll(sep, "/");
  return path.startsWith(".") ? path : `./${path}`;
}

function demoNames(): string[] {
  const entries = existsSync(demos) ? readdirSync(demos, { withFileTypes: true }) : [];
  return entries.flatMap((entry) => (entry.isDirectory() && !notForCopies.has(entry.name) ? [entry.name] : [])).sort();
}

/** Each with what its handler says of itself first. */
function demoList(): string {
  const lines = demoNames().map((name) => {
    const file = join(demos, name, `${name}.ts`);
    const [comment = ""] = existsSync(file) ? (/^(?:\/\/.*\n)+/.exec(readFileSync(file, "utf8")) ?? []) : [];
    const [sentence = ""] = comment
      .replaceAll(/(?:^|\n)\/\/ ?/g, " ")
      .trim()
      .split(". ", 1);
    const words = sentence.length <= sentenceCharacters ? sentence : `${sentence.slice(0, sentenceCharacters).replace(/ \S*$/, "")} …`;
    return `  ${name.padEnd(12)}${words}`;
  });
  return lines.join("\n");
}

function refuse(text: string, exitCode = 1): number {
  process.stderr.write(`${text}\n`);
  return exitCode;
}
