// What is wrong with a handler module, and where: finds file and line in what tsx, esbuild and Node throw. All three tell
// it in the text of the error or of its stack, and nowhere else.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { thrownMessage } from "../process/thrown.ts";
import { type ErrorCode, isCodedError } from "../protocol/errors.ts";

/** A worker that is to be ready waits for it. */
const checkMs = 5_000;

export interface Problem {
  /** Relative to the clone. */
  readonly file: string;
  /** From 1, as `column`. */
  readonly line?: number;
  readonly column?: number;
  readonly code: ErrorCode;
  readonly text: string;
}

/** All that is wrong with the handlers of a folder. */
export class HandlersError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.name = "HandlersError";
    this.problems = problems;
  }
}

/** `worker/handlers/chat.ts:3:12: handler.load: Expected identifier but found ","`, as editors and terminals can follow it. */
export function formatProblem({ file, line, column, code, text }: Problem): string {
  const place = [file, line, column].filter((part) => part !== undefined).join(":");
  return `${place}: ${code}: ${text}`;
}

/** Folders that an error's stack is read with; absolute, without symbolic links. */
export interface Grounds {
  readonly root: string;
  readonly handlers: string;
}

interface Place {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  readonly text?: string;
}

/**
 * @param thrown by the import of `file`, though perhaps in a file that it imports.
 * @param file absolute.
 */
export function problemOf(thrown: unknown, file: string, grounds: Grounds): Problem {
  const { text = messageOf(thrown), ...place } = placeOf(thrown, grounds) ?? { file };
  const advice = adviceOn(text);
  return {
    ...place,
    file: relative(grounds.root, place.file),
    code: isCodedError(thrown) ? thrown.code : "handler.load",
    text: (advice ?? text).replaceAll(grounds.root + sep, ""),
  };
}

/** Instead of Node's words, whose advice does not help here: `.cjs` is not served. */
function adviceOn(text: string): string | undefined {
  const [, commonJs] = /(require|module|exports|__dirname|__filename) is not defined in ES module scope/.exec(text) ?? [];
  if (commonJs === "require") return 'require is not defined, as handlers are ES modules: import fs from "node:fs", say';
  if (commonJs === "module" || commonJs === "exports")
    return `${commonJs} is not defined, as handlers are ES modules: export default defineHandler({ … })`;
  if (commonJs !== undefined) return `${commonJs} is not defined, as handlers are ES modules: use import.meta.${commonJs.slice(2)}`;
  const [, missing] = /^Cannot find package '(.+)'$/.exec(text) ?? [];
  return missing === undefined ? undefined : `${text} (npm install --save-prod ${missing})`;
}

/** The first line of a file that holds a text, from 1; undefined where none does. */
export function lineHolding(file: string, text: string): number | undefined {
  const index = readFileSync(file, "utf8")
    .split("\n")
    .findIndex((line) => line.includes(text));
  return index < 0 ? undefined : index + 1;
}

function messageOf(thrown: unknown): string {
  if (isCodedError(thrown)) return thrown.message.slice(thrown.code.length + 2);
  return thrownMessage(thrown);
}

function placeOf(thrown: unknown, grounds: Grounds): Place | undefined {
  if (!(thrown instanceof Error)) return undefined;
  return (
    transformPlace(thrown.message) ??
    lexerPlace(thrown.message) ??
    importPlace(thrown) ??
    linkPlace(thrown.stack ?? "") ??
    framePlace(thrown.stack ?? "", grounds)
  );
}

// esbuild, through tsx: "Transform failed with 1 error:\n/a/b.ts:3:12: ERROR: Expected …". Its columns count from 0.
function transformPlace(message: string): Place | undefined {
  const found = /^(.+?):(\d+):(\d+): ERROR: (.*)$/m.exec(message);
  if (found === null) return undefined;
  const [, file = "", line, column, text = ""] = found;
  return { file: resolve(file), line: Number(line), column: Number(column) + 1, text };
}

// tsx, of JavaScript: "Parse error /a/b.js:1:1", which is neither the place nor what is wrong. Node says both.
function lexerPlace(message: string): Place | undefined {
  const [, file] = /^Parse error (\/.+):\d+:\d+$/.exec(message) ?? [];
  if (file === undefined) return undefined;
  const { stderr } = spawnSync(process.execPath, ["--check", file], { encoding: "utf8", timeout: checkMs });
  const [, line] = /:(\d+)\n/.exec(stderr ?? "") ?? [];
  const [text] = /^\w*Error: .*$/m.exec(stderr ?? "") ?? [];
  return { file, ...(line !== undefined && { line: Number(line) }), ...(text !== undefined && { text }) };
}

// Node's resolver: "Cannot find package 'x' imported from /a/b.ts"; confinement-hook.mjs adds why.
function importPlace(error: Error): Place | undefined {
  const found = /^(Cannot find \w+ '(.+?)'.*) imported from (.+)$/m.exec(error.message);
  if (found === null) return undefined;
  const [, text = "", wanted = "", importer = ""] = found;
  const file = pathOf(importer);
  const line = lineHolding(file, wanted.slice(wanted.lastIndexOf("/") + 1));
  return { file, ...(line !== undefined && { line }), text };
}

// Node's linker and parser put "/a/b.ts:1" and the line itself above the stack.
function linkPlace(stack: string): Place | undefined {
  const found = /^((?:file:\/\/)?\/.+):(\d+)\n/.exec(stack);
  if (found === null) return undefined;
  return { file: pathOf(found[1] ?? ""), line: Number(found[2]) };
}

// The frame nearest to the throw that the handlers' author wrote: in the handlers' folder, else anywhere in the clone.
function framePlace(stack: string, { root, handlers }: Grounds): Place | undefined {
  const frames: Place[] = [];
  for (const [, file = "", line, column] of stack.matchAll(/^ +at (?:.*\()?((?:file:\/\/)?\/.+?):(\d+):(\d+)\)?$/gm)) {
    frames.push({ file: pathOf(file), line: Number(line), column: Number(column) });
  }
  const own = frames.filter(({ file }) => file.startsWith(root + sep) && !file.includes(`${sep}node_modules${sep}`));
  return own.find(({ file }) => file.startsWith(handlers + sep)) ?? own.find(({ file }) => !file.startsWith(import.meta.dirname));
}

function pathOf(fileOrUrl: string): string {
  return fileOrUrl.startsWith("file:") ? fileURLToPath(fileOrUrl) : fileOrUrl;
}
