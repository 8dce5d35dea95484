// Reads settings from environment variables: what gateways, workers and the supervisor share.

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

/** EXPIRE_GRACE_MS, where it is not set. */
export const usualExpireGraceMs = 10_000;

/** A day: as long as somebody may look at what a debugger has stopped. */
export const longestWaitMs = 24 * 60 * 60 * 1000;

/** A whole number in a range, with a default. */
export function integer({ least, most, otherwise }: Range & { readonly otherwise: number }) {
  return v.optional(integerBetween({ least, most }), String(otherwise));
}

/** The same without a default: other settings decide it. */
export function optionalInteger(range: Range) {
  return v.optional(integerBetween(range));
}

function integerBetween({ least, most }: Range) {
  const expected = `a whole number from ${least} to ${most}`;
  return v.pipe(v.string(), v.regex(/^\d+$/, expected), v.transform(Number), v.minValue(least, expected), v.maxValue(most, expected));
}

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

export const logLevel = v.optional(v.picklist(logLevels, `one of ${logLevels.join(", ")}`), "info");

/** The path of a file; empty: none. */
const file = v.optional(v.string(), "");

/** Credentials and certificates for NATS: see nats/security.ts. */
export const natsFileSettings = {
  NATS_CREDENTIALS_FILE: file,
  NATS_CA_FILE: file,
  NATS_CERT_FILE: file,
  NATS_KEY_FILE: file,
};

/** Shorter than WORKER_TIMEOUT_MS, and far shorter than PARK_MS. */
export const usualNatsTimeoutMs = 3_000;

/** How to reach NATS. */
export const natsSettings = {
  NATS_URL: text,
  NATS_TIMEOUT_MS: integer({ least: 500, most: 600_000, otherwise: usualNatsTimeoutMs }),
  ...natsFileSettings,
};

/** What a list names, parted by commas. */
export function entriesOf(list: string): string[] {
  return list
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/**
 * The content of a file that a variable names.
 * @throws {CodedError} "config.invalid" if it cannot be read.
 */
export function readNamedFile(variable: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CodedError("config.invalid", `${variable}=${shown(path)} cannot be read: ${(error as Error).message}`);
  }
}

/** A value for a message; quoted if it has characters that a terminal does not show: `"8080\r"`. */
export function shown(value: string): string {
  const isPlain = value === value.trim() && !/[^\P{C}]|[^\P{Z} ]/u.test(value);
  if (isPlain) return value;
  const escaped = (character: string) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[^\P{C}]|[^\P{Z} ]/gu, escaped);
}

/** @throws {CodedError} "config.invalid": each wrong variable, its value, and what is allowed. */
export function parseSettings<S extends v.GenericSchema>(
  schema: S,
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<v.InferOutput<S>> {
  // An empty variable counts as not set: shells and unit files leave one out like this.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""));
  const parsed = v.safeParse(schema, given);
  if (parsed.success) return Object.freeze(parsed.output as object) as Readonly<v.InferOutput<S>>;
  const mistakes = parsed.issues.map((issue) => {
    const name = v.getDotPath(issue) ?? "?";
    // A variable that is not set may still conflict with another one.
    const value = given[name] ?? issue.path?.at(-1)?.value;
    return value === undefined || value === "" ? `${name} is missing` : `${name}=${shown(String(value))} is not ${issue.message}`;
  });
  throw new CodedError("config.invalid", mistakes.join("; "));
}
