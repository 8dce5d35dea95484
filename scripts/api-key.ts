// npm run api-key: adds, lists and revokes the keys of the HTTP API. Gateways read them again within a second.

import { mkdirSync } from "node:fs";
import { KeyRefused, keyLines, withKey, withoutKey } from "../process/api-keys/changes.ts";
import { newKey, readKeys, writeKeys } from "../process/api-keys/key-file.ts";
import { parseCommandLine, parseValuesAndWords, UsageError } from "../process/arguments.ts";
import { type KeysPlace, placeInClone, placeOfServices } from "../supervisor/api-keys-file.ts";
import { cacheFolder } from "./setup/cache.mjs";
import { withLock } from "./setup/lock.mjs";
import { findTarget, NotRoot, type TargetName } from "./target-installation.ts";

const usage = `npm run api-key -- add NAME [rights] | list | revoke NAME [options]

Keys of the HTTP API (docs/http-api.md). A key that is added is shown once: only its hash is kept. Gateways take a change over within
a second, without a restart. A program shows its key as "Authorization: Bearer ts_…".

  --publish PATTERN   it may publish to these topics; * stands for any characters. May be given several times
  --users PATTERN     it may send to these users, and close their connections. May be given several times
  --members PATTERN   it may ask who the members of these topics are. May be given several times
  --history PATTERN   it may ask what these topics have kept. May be given several times
  --json              print one line of JSON, for programs
  --local             the keys of npm start in this clone, even if this machine runs thinstate as services`;

const options = {
  publish: { type: "string", multiple: true },
  users: { type: "string", multiple: true },
  members: { type: "string", multiple: true },
  history: { type: "string", multiple: true },
  json: { type: "boolean" },
  local: { type: "boolean" },
  help: { type: "boolean" },
} as const;

export async function run(args: readonly string[]): Promise<number> {
  const parsed = parseCommandLine(args, usage, parse);
  if (typeof parsed === "number") return parsed;
  const { action, name, values } = parsed;
  try {
    const place = await placeOf(values.local ? "local" : undefined);
    const run = () => change(place, action, name, values);
    // Of two at the same moment, each would write what it has read, and one key would be lost.
    const lines = action === "list" ? run() : await withLock(`${place.file}.lock`, "changes the keys", run);
    for (const line of lines) process.stdout.write(`${line}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof KeyRefused || error instanceof NotRoot)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

type Values = ReturnType<typeof parseValuesAndWords<typeof options>>["values"];

/** @throws {UsageError} */
function parse(args: readonly string[]) {
  const { values, words } = parseValuesAndWords(args, options);
  if (values.help) return undefined;
  const [action, name = "", ...more] = words;
  if (action !== "add" && action !== "list" && action !== "revoke") throw new UsageError(`add, list or revoke, not ${action ?? "nothing"}`);
  if ((action === "list") !== (name === "") || more.length > 0) {
    throw new UsageError(action === "list" ? "list takes no name" : `${action} takes one NAME`);
  }
  return { action, name, values } as const;
}

async function placeOf(wanted: TargetName | undefined): Promise<KeysPlace> {
  const { isLocal } = await findTarget({ command: "api-key", wanted, env: process.env });
  if (!isLocal) return placeOfServices();
  const folder = cacheFolder(process.env);
  mkdirSync(folder, { recursive: true });
  return placeInClone(folder);
}

/** @returns what to print. @throws {KeyRefused} */
function change({ file, owner }: KeysPlace, action: "add" | "list" | "revoke", name: string, values: Values): readonly string[] {
  const keys = readKeys(file);
  if (action === "list") {
    if (values.json) return [JSON.stringify(keys.map(({ sha256: _hash, ...shown }) => shown))];
    return keys.length === 0 ? ["no keys: the HTTP API is off"] : keyLines(keys);
  }
  if (action === "revoke") {
    writeKeys(file, withoutKey(keys, name), owner);
    return [values.json ? JSON.stringify({ revoked: name }) : `key "${name}" is revoked: gateways refuse it within a second`];
  }
  const key = newKey();
  const { publish = [], users = [], members = [], history = [] } = values;
  writeKeys(file, withKey(keys, { name, rights: { publish, users, members, history }, key, now: new Date() }), owner);
  return [values.json ? JSON.stringify({ name, key }) : key];
}
