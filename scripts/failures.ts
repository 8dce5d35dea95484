// What has failed in a run of the tests, and why, as the last lines of the run tell it. Pure.
//
// CI shows the end of a log only: what vitest says of a failure may have been thousands of lines above.

import { stripVTControlCharacters } from "node:util";

export interface Failure {
  /** A test by file and name, or a check: "test/a.test.ts > says b". */
  readonly name: string;
  /** The first lines of what was wrong; empty where that is not known. */
  readonly why: string;
}

/** What vitest tells of an error. */
export interface TestError {
  /** "AssertionError" */
  readonly name?: string;
  readonly message: string;
  /** Of what was expected and what was there. */
  readonly diff?: string;
  /** Where it was thrown, the innermost first. */
  readonly stacks?: readonly { readonly file: string; readonly line: number }[];
}

const mostLines = 15;
const mostCharacters = 1_500;
/**
 * Of these, for a message. Tests give what a process has said as theirs, pages of it; vitest adds what was expected at its end, and the
 * difference below: so both ends are told, and the difference has room.
 */
const mostMessageLines = 6;
const mostMessageCharacters = 700;
const cut = "…";
/**
 * The names of all have to fit into the end of a log. Where more fail than this, those of one file are likely to fail for the reason of
 * the first of them.
 */
const mostExplained = 10;
const indent = "    ";

/** @param folder Paths are given as seen from there. */
export function whyOf(errors: readonly TestError[], folder: string): string {
  const lines = errors.flatMap(({ name = "Error", message, diff = "", stacks = [] }) => {
    const at = stacks.slice(0, 1).map(({ file, line }) => `at ${file.replace(`${folder}/`, "")}:${line}`);
    return [...at, ...bothEnds(linesOf(`${name}: ${message}`)), ...linesOf(diff)];
  });
  const first = lines.slice(0, mostLines).join("\n");
  const isCut = lines.length > mostLines || first.length > mostCharacters;
  return isCut ? `${first.slice(0, mostCharacters)} ${cut}` : first;
}

/** @returns lines; each failure has one of its own, with the reason indented below it. */
export function failureLines(failures: readonly Failure[]): string[] {
  const explained = new Set(mostTelling(failures).slice(0, mostExplained));
  return failures.flatMap((failure) => [
    `failed: ${failure.name}`,
    ...(failure.why === "" || !explained.has(failure) ? [] : failure.why.split("\n").map((line) => indent + line)),
  ]);
}

/** The first of each file, then all others. */
function mostTelling(failures: readonly Failure[]): Failure[] {
  const firsts = new Map<string | undefined, Failure>();
  for (const failure of failures) {
    const file = failure.name.split(" > ", 1)[0];
    if (!firsts.has(file)) firsts.set(file, failure);
  }
  return [...new Set([...firsts.values(), ...failures])];
}

/** @param said All that a run wrote, with `failureLines` in it. */
export function parseFailures(said: string): Failure[] {
  const found = said.matchAll(new RegExp(`^failed: (.+)((?:\\n${indent}.*)*)$`, "gm"));
  return [...found].map(([, name = "", below = ""]) => ({ name, why: below.replaceAll(`\n${indent}`, "\n").slice(1) }));
}

/** Without colours, and without those that are blank. */
function linesOf(text: string): string[] {
  return stripVTControlCharacters(text)
    .split("\n")
    .filter((line) => line.trim() !== "");
}

/** The first and the last of a message. */
function bothEnds(lines: readonly string[]): string[] {
  const half = mostMessageLines / 2;
  const some = lines.length <= mostMessageLines ? lines : [...lines.slice(0, half), cut, ...lines.slice(-half)];
  const text = some.join("\n");
  const halfText = mostMessageCharacters / 2;
  return (text.length <= mostMessageCharacters ? text : `${text.slice(0, halfText)} ${cut} ${text.slice(-halfText)}`).split("\n");
}
