// The nkeys by which a nats-server of ours tells its users apart, one for each role. They are made once and kept: a program that
// publishes to topics has a copy of one.

import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Role, roles } from "../../nats/permissions.ts";
import { createCredentials, publicKeyOf } from "../../nats/security.ts";
import { CodedError } from "../../protocol/errors.ts";

/** What the server is told about each role. */
export type PublicKeys = Readonly<Record<Role, string>>;

/** What a role shows to the server: the seed of its nkey. */
export function credentialsFile(folder: string, role: Role): string {
  return join(folder, `${role}.credentials`);
}

/**
 * Makes the keys that are missing. The folder and all files become readable to their owner alone.
 * @throws {CodedError} "config.invalid" where a file is there and has no seed.
 */
export function ensureKeys(folder: string): PublicKeys {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // It may be older than what is secret in it.
  chmodSync(folder, 0o700);
  passOnOldKey(folder);
  return Object.fromEntries(roles.map((role) => [role, ensureKey(credentialsFile(folder, role))])) as PublicKeys;
}

function ensureKey(file: string): string {
  if (existsSync(file)) return keyIn(file);
  const { seed, publicKey } = createCredentials();
  // Complete under another name first: half a seed would be kept for good.
  const fresh = `${file}.new`;
  // Without a line break: a program may hand the whole file to its NATS client.
  writeFileSync(fresh, seed, { mode: 0o600 });
  renameSync(fresh, file);
  return publicKey;
}

/** Until 0.2, the workers' key was an olderWorker's: those that still run go on with it, and others get another one. */
function passOnOldKey(folder: string): void {
  const [file, older] = [credentialsFile(folder, "worker"), credentialsFile(folder, "olderWorker")];
  if (existsSync(older) || !existsSync(file)) return;
  keyIn(file);
  renameSync(file, older);
}

function keyIn(file: string): string {
  try {
    chmodSync(file, 0o600);
    return publicKeyOf(readFileSync(file, "utf8"));
  } catch (error) {
    const text = `${file} has no nkey's seed (SU…): ${(error as Error).message}. Remove it, and the next start makes a new one`;
    throw new CodedError("config.invalid", text, { cause: error });
  }
}
