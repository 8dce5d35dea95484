// The file of the HTTP API's keys: written by npm run api-key, read by gateways. Of a key it has the hash only: whoever reads the file
// cannot call the API.

import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { type Owner, replaceFileSync } from "../replace-file.ts";

/** Gateways look each key up in a map, and read the file once a second. */
export const keysLimit = 1_000;
/** Of one right of a key: each publish may be compared with all of them. */
export const patternsLimit = 100;
export const nameLimit = 64;
/** A pattern is not longer than a topic may be. */
const patternLimit = 256;

const keyBytes = 32;
/** `ts_` and 32 bytes in base64url. */
const keyShape = /^ts_[A-Za-z0-9_-]{43}$/;

const patterns = v.pipe(v.array(v.pipe(v.string(), v.nonEmpty(), v.maxLength(patternLimit))), v.maxLength(patternsLimit));

/** What a key may do. A right that a newer release knows is passed over. */
const rights = v.object({
  /** Patterns of topics that it may publish to. */
  publish: patterns,
  /** Patterns of users to whom it may send, and whose connections it may close. Earlier files have `true` for all, and `false` for none. */
  users: v.pipe(
    v.union([v.boolean(), patterns]),
    v.transform((users) => (typeof users === "boolean" ? (users ? ["*"] : []) : users)),
  ),
  /** Patterns of topics whose members may be asked for. */
  members: patterns,
  /** Patterns of topics whose history may be asked for. Earlier files do not have it. */
  history: v.optional(patterns, []),
});

const keySchema = v.object({
  name: v.pipe(v.string(), v.regex(/^[A-Za-z0-9._-]+$/), v.maxLength(nameLimit)),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  created: v.pipe(v.string(), v.isoTimestamp()),
  rights,
});

const fileSchema = v.object({ keys: v.pipe(v.array(keySchema), v.maxLength(keysLimit)) });

export type Rights = Readonly<v.InferOutput<typeof rights>>;
export type ApiKey = Readonly<v.InferOutput<typeof keySchema>>;

/** What is not a name of a key; undefined where it may be one. */
export function nameFault(name: string): string | undefined {
  return v.is(keySchema.entries.name, name) ? undefined : `a name has 1 to ${nameLimit} letters, digits, ".", "_" and "-"`;
}

/** What is not a right; undefined where they may be. */
export function rightsFault(wanted: Rights): string | undefined {
  return v.is(rights, wanted) ? undefined : `a right has at most ${patternsLimit} patterns, each of 1 to ${patternLimit} characters`;
}

/** A new one, to be shown once. */
export function newKey(): string {
  return `ts_${randomBytes(keyBytes).toString("base64url")}`;
}

/** Whether it may be a key at all. */
export function isKeyShaped(text: string): boolean {
  return keyShape.test(text);
}

/** As the file has it. A key is random: a hash that is slow to compute would protect it no better. */
export function hashOfKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

/** @throws where the file is there and cannot be understood. @returns none where it is missing. */
export function readKeys(file: string): readonly ApiKey[] {
  try {
    return parseKeys(file, readFileSync(file, "utf8"));
  } catch (error) {
    return noneIfMissing(error);
  }
}

/** As `readKeys`, and holds up nobody while the disk is slow. */
export async function loadKeys(file: string): Promise<readonly ApiKey[]> {
  try {
    return parseKeys(file, await readFile(file, "utf8"));
  } catch (error) {
    return noneIfMissing(error);
  }
}

/** Returns when they are on the disk; a crash leaves the old ones or the new ones. @param owner undefined: whoever runs this. */
export function writeKeys(file: string, keys: readonly ApiKey[], owner?: Owner): void {
  replaceFileSync(file, `${JSON.stringify({ keys }, undefined, 2)}\n`, 0o600, owner);
}

function parseKeys(file: string, text: string): readonly ApiKey[] {
  try {
    return v.parse(fileSchema, JSON.parse(text)).keys;
  } catch (cause) {
    throw new Error(`${file} is not a file of API keys. Remove it, and add the keys again: npm run api-key -- add`, { cause });
  }
}

function noneIfMissing(error: unknown): readonly ApiKey[] {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  return [];
}
