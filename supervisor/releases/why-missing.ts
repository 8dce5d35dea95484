// Code that runs in the clone and not in a release: Node and the compiler only say that a file cannot be found. Here is why, where
// the clone has it.

import { existsSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import type { CheckOptions } from "./check-process.ts";
import type { ReleaseProblem } from "./refusal.ts";
import { whyNeverInRelease } from "./sources.ts";

type Places = Pick<CheckOptions, "clone" | "folder" | "handlersDir">;

/** What an import may mean that names no file: as TypeScript and tsx read it. */
const endings = ["", ".ts", ".js", ".json", "/index.ts", "/index.js"];

/** The problem with what to do about it, where it is about a file of the clone that a release does not hold. */
export function withReason(problem: ReleaseProblem, places: Places): ReleaseProblem {
  const path = missingPath(problem, places.folder);
  const reason = path && reasonFor(relative(places.folder, path), places);
  return reason ? { ...problem, text: `${problem.text}: ${reason}` } : problem;
}

/** Absolute, in the release or outside of it. */
function missingPath({ file, text }: ReleaseProblem, folder: string): string | undefined {
  const [, imported] = /TS2307: Cannot find module '(\.{1,2}\/.*?)'/.exec(text) ?? [];
  if (imported !== undefined) return resolve(folder, dirname(file), imported);
  const [, loaded, read] = /Cannot find module '(.+?)'(?! in this release)|ENOENT: no such file or directory, \w+ '(.+?)'/.exec(text) ?? [];
  const path = loaded ?? read;
  return path === undefined || (loaded !== undefined && !isAbsolute(path) && !path.includes("/")) ? undefined : resolve(folder, path);
}

function reasonFor(path: string, { clone, handlersDir }: Places): string | undefined {
  const plain = path.replace(/\.([mc]?)js$/, ".$1ts");
  const found = [...endings.map((ending) => path + ending), plain].find((name) => existsSync(join(clone, name)));
  if (found === undefined) return undefined;
  if (found.startsWith("..")) return `${resolve(clone, found)} lies outside of the clone, which releases are made of`;
  const why = whyNeverInRelease(found) ?? `git ignores ${found}, and a release holds what git does not ignore, and all of ${handlersDir}`;
  return `${why}. Put it into ${handlersDir} (a name that begins with _ is no handler), or what changes while it runs into SHARED_DIR`;
}
