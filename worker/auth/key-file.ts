// The keys of an issuer of tokens, from a file (a JSON Web Key Set: RFC 7517, 5) that may be replaced while the worker runs.

import { readFile } from "node:fs/promises";
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { unavailable } from "./identity.ts";

/** A key that was taken out of the file is not accepted for longer. */
const rereadMs = 10_000;
/** Tokens with unknown keys make nobody read it more often. */
const pauseMs = 1_000;

/** @param now Milliseconds. */
export function keysInFile(file: string, now: () => number = () => performance.now()): JWTVerifyGetKey {
  const keys = new KeyFile(file, now);
  return async (header, token) => {
    const getKey = await keys.newerThan(rereadMs);
    try {
      return await getKey(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // It may have been added just now.
      return (await keys.newerThan(pauseMs))(header, token);
    }
  };
}

class KeyFile {
  private readonly file: string;
  private readonly now: () => number;
  private last: { readonly at: number; readonly getKey: JWTVerifyGetKey } | undefined;

  constructor(file: string, now: () => number) {
    this.file = file;
    this.now = now;
  }

  /** @throws {CodedError} "auth.unavailable" where it could never be read. */
  async newerThan(ms: number): Promise<JWTVerifyGetKey> {
    const { last } = this;
    if (last !== undefined && this.now() - last.at < ms) return last.getKey;
    const getKey = await this.read().catch((error: unknown) => {
      // Somebody is writing it, perhaps: those that were there are still good.
      if (last === undefined) throw unavailable(`the keys in ${this.file} cannot be read`, error);
      return last.getKey;
    });
    this.last = { at: this.now(), getKey };
    return getKey;
  }

  private async read(): Promise<JWTVerifyGetKey> {
    return createLocalJWKSet(JSON.parse(await readFile(this.file, "utf8")) as JSONWebKeySet);
  }
}
