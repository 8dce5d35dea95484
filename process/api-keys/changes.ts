// What npm run api-key does to the keys: adds one, revokes one, lists them. Pure.

import { type ApiKey, hashOfKey, keysLimit, nameFault, type Rights, rightsFault } from "./key-file.ts";

/** What was asked for cannot be done; the message says why. */
export class KeyRefused extends Error {}

export interface Addition {
  readonly name: string;
  readonly rights: Rights;
  /** Not kept. */
  readonly key: string;
  readonly now: Date;
}

/** @throws {KeyRefused} */
export function withKey(keys: readonly ApiKey[], { name, rights, key, now }: Addition): readonly ApiKey[] {
  const fault = nameFault(name) ?? rightsFault(rights);
  if (fault !== undefined) throw new KeyRefused(fault);
  if (keys.some((other) => other.name === name)) throw new KeyRefused(`there is already a key "${name}": revoke it, or take another name`);
  if (keys.length >= keysLimit) throw new KeyRefused(`there are ${keysLimit} keys already: revoke one`);
  return [...keys, { name, sha256: hashOfKey(key), created: now.toISOString(), rights }];
}

/** @throws {KeyRefused} */
export function withoutKey(keys: readonly ApiKey[], name: string): readonly ApiKey[] {
  const others = keys.filter((key) => key.name !== name);
  if (others.length === keys.length) throw new KeyRefused(`there is no key "${name}": npm run api-key -- list shows them`);
  return others;
}

/** One line for each. */
export function keyLines(keys: readonly ApiKey[]): string[] {
  const width = Math.max(0, ...keys.map(({ name }) => name.length));
  return keys.map(({ name, created, rights }) => `${name.padEnd(width)}  ${created.slice(0, 10)}  ${rightsText(rights)}`);
}

function rightsText({ publish, users, members, history }: Rights): string {
  const granted = [
    ...publish.map((pattern) => `publish ${pattern}`),
    ...users.map((pattern) => `users ${pattern}`),
    ...members.map((pattern) => `members ${pattern}`),
    ...history.map((pattern) => `history ${pattern}`),
  ];
  return granted.length === 0 ? "counts only" : granted.join(", ");
}
