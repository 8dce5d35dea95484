// What npm installs is pinned, and SECURITY.md lists what is not.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
  packages: Record<string, { integrity?: string; optional?: boolean; os?: string[]; resolved?: string }>;
};

const unpinned = Object.entries(packages).filter(([path, { integrity }]) => path !== "" && integrity === undefined);

test("packages without a hash are those that SECURITY.md lists", () => {
  const security = readFileSync("SECURITY.md", "utf8");
  const block = /## What is not pinned yet[\s\S]*?```\n([\s\S]*?)```/.exec(security)?.[1] ?? "";
  expect(unpinned.map(([path]) => path.slice("node_modules/".length)).sort()).toEqual(block.trim().split(/\s+/).sort());
});

test("a package without a hash is for another platform, so that npm may leave it out", () => {
  for (const [path, { optional, os }] of unpinned) expect([path, optional, os?.length]).toEqual([path, true, 1]);
});

test("everything comes from the npm registry: npm 12 refuses other addresses", () => {
  const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Record<string, Record<string, string>>;
  const wanted = Object.values({ ...manifest.dependencies, ...manifest.devDependencies });
  for (const range of wanted) expect(range).toMatch(/^(\^?\d[\w.-]*|npm:@?[\w./-]+@[\w.-]+)$/);
  for (const { resolved } of Object.values(packages))
    expect(resolved ?? "https://registry.npmjs.org/").toMatch(/^https:\/\/registry\.npmjs\.org\//);
});
