// npm's own error reaches people, and nobody is sent to look for a network fault that is none. With the npm that runs the tests.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describeFailure, Npm } from "./npm.mjs";

/** npm is slow to begin where a machine is busy. */
const timeout = 180_000;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "thinstate-npm-"));
});

afterEach(() => rm(folder, { recursive: true }));

/** `npm ci` of one package. */
async function install(version: string, env: NodeJS.ProcessEnv = {}) {
  const root = { name: "clone", version: "1.0.0", dependencies: { cookie: version } };
  const lock = {
    name: "clone",
    version: "1.0.0",
    lockfileVersion: 3,
    requires: true,
    packages: { "": root, "node_modules/cookie": { version: "1.1.1" } },
  };
  await writeFile(join(folder, "package.json"), JSON.stringify(root));
  await writeFile(join(folder, "package-lock.json"), JSON.stringify(lock));
  const npm = new Npm({ clone: folder, logFolder: join(folder, "log"), env: { ...process.env, ...env }, onStart: () => undefined });
  return await npm.run(["ci", `--cache=${join(folder, "cache")}`, "--fetch-retries=0"]);
}

test("a lock file that does not fit is npm's to explain", { timeout }, async () => {
  const failure = await install("9.9.9");
  expect(failure?.text).toMatch(/npm (ERR!|error).*\bcookie/);
  expect(failure?.text).toContain("install.log");
  expect(failure?.isOfNetwork).toBe(false);
});

test("a registry that nobody listens at is a fault of the network", { timeout }, async () => {
  const failure = await install("1.1.1", { npm_config_registry: "http://127.0.0.1:1/" });
  expect(failure?.text).toMatch(/ECONNREFUSED/);
  expect(failure?.isOfNetwork).toBe(true);
});

test.each([
  ['npm ERR! Invalid comparator "npm:a@1"\n\nnpm ERR! A complete log of this run can be found in: /l', false],
  ["npm ERR! code ENOTFOUND\nnpm ERR! network request to https://registry.npmjs.org/a failed", true],
  ["npm error code SELF_SIGNED_CERT_IN_CHAIN\nnpm error request failed", true],
  ["npm error code E404\nnpm error 404 Not Found", false],
  ["npm error code EACCES\nnpm error permission denied", false],
])("of %j the error lines are shown", (output, isOfNetwork) => {
  const failure = describeFailure(`npm warn deprecated\n${output}\n`);
  expect(failure).toEqual({ text: output.replace("\n\n", "\n"), isOfNetwork });
});
