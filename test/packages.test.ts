// The clone's packages when npm cannot reach its registry: what is there is enough, or stays.

import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { thisMachine } from "../gateway/uws/choice.mjs";
import { Installation } from "./installation.ts";

const testTimeoutMs = 120_000;
const unreachable = { npm_config_registry: "http://127.0.0.1:9", npm_config_fetch_retries: "0" };

let installation: Installation;
let packages: string;

beforeAll(async () => {
  installation = await Installation.cloned();
  packages = join(installation.clone, "node_modules");
  const ours = join(installation.clone, "..", "..", "node_modules");
  rmSync(packages);
  // What `npm ci --omit=dev` leaves.
  const { packages: all } = JSON.parse(readFileSync(join(ours, ".package-lock.json"), "utf8"));
  const isProduction = ([, { dev }]: [string, { dev?: boolean }]) => !dev;
  const installed = Object.fromEntries(Object.entries<{ dev?: boolean }>(all).filter(isProduction));
  for (const path of Object.keys(installed)) {
    const name = path.replace("node_modules/", "");
    if (name.includes("/node_modules/")) continue;
    mkdirSync(dirname(join(packages, name)), { recursive: true });
    symlinkSync(join(ours, name), join(packages, name));
  }
  writeFileSync(join(packages, ".package-lock.json"), JSON.stringify({ packages: installed }));
});

afterAll(() => installation?.end(), testTimeoutMs);

test("a start needs production packages only", { timeout: testTimeoutMs }, async () => {
  const start = installation.start(unreachable);
  await start.line(/^ready ws:/);
  expect(start.output).toMatch(/types are not checked: the type check lacks @types\/node, @types\/ws/);
  expect(start.output).not.toContain("installing");
  const advices = [...start.output.matchAll(/^Node 20 gets uWebSockets\.js 20\.30, of 2023\. Node 24.* gets 20\.69\.$/gm)];
  expect(advices.length).toBe(thisMachine().nodeMajor === 20 ? 1 : 0);
  start.process.kill("SIGTERM");
  expect(await start.exited).toBe(0);
});

test("an installation that fails removes nothing", { timeout: testTimeoutMs }, async () => {
  rmSync(join(packages, "regexparam"));
  const before = readdirSync(packages).filter((name) => !name.startsWith("."));
  const start = installation.start({ ...unreachable, npm_config_cache: join(installation.cacheFolder, "npm") });
  expect(await start.exited).toBe(1);
  expect(start.output).toMatch(/installing packages \(1 missing\).*ECONNREFUSED/s);
  expect(readdirSync(packages).filter((name) => !name.startsWith("."))).toEqual(before);
});
