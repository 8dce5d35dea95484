// The keys of an issuer of tokens, from a file (a JSON Web Key Set: RFC 7517, 5) that may be replaced while the worker runs.

import { readFile } from "node:fs/promises";
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { KeptKeys } from "./kept-keys.ts";

/** A key that was taken out of the file is not accepted for longer. */
const rereadMs = 10_000;
const pauseMs = 1_000;
/** Somebody is writing the file, perhaps, or a new one is on its way. A file that stays away for longer was removed. */
export const keptWithoutFileMs = 60 * 60_000;

/** @param now Milliseconds. */
export function keysInFile(file: string, now: () => number = () => performance.now()): JWTVerifyGetKey {
  const read = async () => createLocalJWKSet(JSON.parse(await readFile(file, "utf8")) as JSONWebKeySet);
  return new KeptKeys({ name: file, read, rereadMs, pauseMs, keepMs: keptWithoutFileMs }, now).get;
}
