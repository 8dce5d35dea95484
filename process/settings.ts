// How settings are read from environment variables: what gateway and worker share of it.

import { readFileSync } from "node:fs";
import * as v from "valibot";
import { CodedError } from "../protocol/errors.ts";
import { isNamespace } from "../protocol/subjects.ts";

export const text = v.pipe(v.string(), v.trim(), v.nonEmpty("a text that is not empty"));

export const namespace = v.optional(
  v.pipe(v.string(), v.check(isNamespace, "letters, digits, - and _, in parts joined by dots")),
  "thinstate",
);

interface Range {
  readonly least: number;
  readonly most: number;
}

/** A day: as long as somebody may look at what a debugger has stopped. */
export const longestWaitMs = 24 * 60 * 60 * 1000;

/** A whole number in a range, with what holds where the variable is not set. */
export function integer({ least, most, otherwise }: Range & { readonly otherwise: number }) {
  return v.optional(integerBetween({ least, most }), String(otherwise));
}

/** One that may be left out: what holds then follows from others. */
export function optionalInteger(range: Range) {
  return v.optional(integerBetween(range));
}

function integerBetween({ least, most }: Range) {
  const expected = `a whole number from ${least} to ${most}`;
  return v.pipe(v.string(), v.regex(/^\d+$/, expected), v.transform(Number), v.minValue(least, expected), v.maxValue(most, expected));
}

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

export const logLevel = v.optional(v.picklist(logLevels, `one of ${logLevels.join(", ")}`), "info");

/** A file that may be named; empty: none is. */
const file = v.optional(v.string(), "");

/** What NATS is shown, and what it has to show: see nats/security.ts. */
export const natsFileSettings = {
  NATS_CREDENTIALS_FILE: file,
  NATS_CA_FILE: file,
  NATS_CERT_FILE: file,
  NATS_KEY_FILE: file,
};

/** Before workers are taken for dead, and long before what waits is given up. */
export const usualNatsTimeoutMs = 3_000;

/** How NATS is reached. */
export const natsSettings = {
  NATS_URL: text,
  NATS_TIMEOUT_MS: integer({ least: 500, most: 600_000, otherwise: usualNatsTimeoutMs }),
  ...natsFileSettings,
};

/**
 * What is in a file that a variable names.
 * @throws {CodedError} "config.invalid" where it cannot be read.
 */
export function readNamedFile(variable: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CodedError("config.invalid", `${variable}=${shown(path)} cannot be read: ${(error as Error).message}`);
  }
}

/** A value as it stands, or, where it has what nobody sees on a terminal, quoted: `"8080\r"`. */
export function shown(value: string): string {
  const isPlain = value === value.trim() && !/[^\P{C}]|[^\P{Z} ]/u.test(value);
  if (isPlain) return value;
  const escaped = (character: string) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[^\P{C}]|[^\P{Z} ]/gu, escaped);
}

/** @throws {CodedError} "config.invalid": each variable that is wrong, its value, and what it may be. */
export function parseSettings<S extends v.GenericSchema>(
  schema: S,
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<v.InferOutput<S>> {
  // An empty variable is one that is not set: that is how shells and unit files leave one out.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""));
  const parsed = v.safeParse(schema, given);
  if (parsed.success) return Object.freeze(parsed.output as object) as Readonly<v.InferOutput<S>>;
  const mistakes = parsed.issues.map((issue) => {
    const name = v.getDotPath(issue) ?? "?";
    // One that is not set may be wrong beside another one.
    const value = given[name] ?? issue.path?.at(-1)?.value;
    return value === undefined || value === "" ? `${name} is missing` : `${name}=${shown(String(value))} is not ${issue.message}`;
  });
  throw new CodedError("config.invalid", mistakes.join("; "));
}
