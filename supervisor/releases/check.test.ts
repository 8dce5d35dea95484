import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ReleaseError } from "./refusal.ts";
import { type MakeOptions, openReleases } from "./release.ts";
import { type TestClone, testClone } from "./test-clone.ts";

let clone: TestClone;

beforeEach(async () => {
  clone = await testClone();
});

afterEach(() => clone.remove());

/** The lines that a deploy would print. */
async function problems(more: Partial<MakeOptions> = {}, store = clone.store): Promise<string[]> {
  const error = await store.make(clone.options(more)).catch((thrown: unknown) => thrown);
  if (!(error instanceof ReleaseError)) throw error;
  expect(await clone.store.list()).toEqual([]);
  return error.message.split("\n");
}

describe("a release is refused, with file and line, for", () => {
  test("a type error", async () => {
    await clone.write(
      "worker/handlers/echo.ts",
      'import { defineHandler } from "../handler.ts";\nexport default defineHandler({ path: "/echo/:a", onOpen(conn) {\n  conn.params.b;\n} });\n',
    );
    expect(await problems()).toEqual([expect.stringMatching(/^worker\/handlers\/echo\.ts:3: TS2339: Property 'b' does not exist/)]);
  });

  test("a syntax error, once", async () => {
    await clone.write("worker/handlers/bad.ts", "\nconst a = ;\n");
    expect(await problems()).toEqual(["worker/handlers/bad.ts:2: TS1109: Expression expected."]);
  });

  test("a syntax error in JavaScript, in a folder that git and globs overlook", async () => {
    await clone.write(".local/handlers/bad.mjs", "\nlet 1;\n");
    expect(await problems({ handlersDir: ".local/handlers" })).toEqual([expect.stringMatching(/^\.local\/handlers\/bad\.mjs:2: TS1440: /)]);
  });

  test("two handlers at one path", async () => {
    await clone.write(
      "worker/handlers/copy.ts",
      'import { defineHandler } from "../handler.ts";\nexport default defineHandler({ path: "/echo" });\n',
    );
    expect(await problems()).toEqual([
      "worker/handlers/echo.ts:6: handler.duplicate: serves /echo, which worker/handlers/copy.ts serves already",
    ]);
  });

  test("a throw at load", async () => {
    await clone.write("worker/handlers/bad.ts", 'const found = undefined;\nif (!found) throw new Error("no key");\nexport default 1;\n');
    expect(await problems()).toEqual(["worker/handlers/bad.ts:2: handler.load: no key"]);
  });

  test("a process that ends while it loads", async () => {
    await clone.write("worker/handlers/bad.ts", 'process.stderr.write("so long");\nprocess.exit(0);\n');
    expect(await problems()).toEqual(["worker/handlers/bad.ts: ended the process with 0 while it loaded: so long"]);
  });

  test("an endless loop while it loads", async () => {
    await clone.write("worker/handlers/a.ts", 'process.stdout.write("no line end");\nexport default 1;\n');
    await clone.write("worker/handlers/bad.ts", "for (;;);\nexport default 1;\n");
    const store = openReleases({ clone: clone.folder, folder: clone.releases, sharedDir: clone.folder, checkLimitMs: 6_000 });
    expect(await problems({}, store)).toEqual([
      "worker/handlers/bad.ts: did not load within 6 s of processor time: does it, or what it imports, loop for ever? CHECK_TIMEOUT_MS gives it more",
    ]);
  });

  test("an import of what the release does not hold: a development package, also by way of another file, and a file outside", async () => {
    const handler = (path: string) =>
      `import { defineHandler } from "../handler.ts";\nexport default defineHandler({ path: "${path}", onMessage: (conn) => conn.send(x) });\n`;
    // In the clone, where Node finds it from within a release, too.
    await clone.write("node_modules/toolkit/package.json", '{ "name": "toolkit", "main": "main.js", "types": "main.d.ts" }');
    await clone.write("node_modules/toolkit/main.js", "module.exports = 1;");
    await clone.write("node_modules/toolkit/main.d.ts", "declare const toolkit: 1;\nexport default toolkit;\n");
    const outside = join(tmpdir(), `outside-${process.pid}.mjs`);
    await writeFile(outside, "export default 1;");
    await clone.write(
      "worker/handlers/a.ts",
      `import { readFileSync } from "node:fs";\nimport x from "toolkit";\n${handler("/a")}readFileSync;\n`,
    );
    await clone.write("worker/handlers/b.ts", `import x from "./_lib.ts";\n${handler("/b")}`);
    await clone.write("worker/handlers/_lib.ts", `\nexport { default } from "toolkit";\n`);
    await clone.write("worker/handlers/c.ts", `// @ts-ignore\nimport x from "${outside}";\n${handler("/c")}`);
    const refused = "it holds no devDependencies (npm install --save-prod toolkit)";
    expect((await problems()).sort()).toEqual([
      `worker/handlers/_lib.ts:2: handler.load: Cannot find package 'toolkit' in this release: ${refused}`,
      `worker/handlers/a.ts:2: handler.load: Cannot find package 'toolkit' in this release: ${refused}`,
      `worker/handlers/c.ts:2: handler.load: Cannot find module '${outside}' in this release: it lies outside of the clone, which releases are made of`,
    ]);
    await rm(outside);
  });

  test("an import of a development package that the release holds for another one", async () => {
    await clone.write("worker/handlers/a.ts", 'import { WebSocket } from "ws";\nexport default WebSocket;\n');
    expect(await problems()).toEqual([
      "worker/handlers/a.ts:1: handler.load: Cannot find package 'ws' in this release: it holds no devDependencies (npm install --save-prod ws)",
    ]);
  });

  test("what the clone has and a release does not, with the reason", async () => {
    await clone.write(".gitignore", "node_modules\n.thinstate*\nprices.json\n");
    execFileSync("git", ["init", "-q"], { cwd: clone.folder });
    execFileSync("git", ["add", "."], { cwd: clone.folder });
    await clone.write("gateway/secret.ts", "export const secret = 1;\n");
    await clone.write("data/prices.json", "{}");
    const beside = `beside-${process.pid}.ts`;
    await writeFile(join(clone.folder, "..", beside), "export {};\n");
    const read = (name: string) => `readFileSync(new URL("../../${name}", import.meta.url));\nexport default 1;\n`;
    await clone.write("worker/handlers/a.ts", 'import { secret } from "../../gateway/secret.ts";\nexport default secret;\n');
    await clone.write("worker/handlers/b.ts", `import { readFileSync } from "node:fs";\n${read("data/prices.json")}`);
    await clone.write(
      "worker/handlers/c.js",
      'import prices from "../../data/prices.json" with { type: "json" };\nexport default prices;\n',
    );
    await clone.write("worker/handlers/d.ts", `// @ts-ignore\nimport "../../../${beside}";\n`);
    await clone.write("worker/handlers/e.ts", 'import { readFileSync } from "node:fs";\nreadFileSync("gone.txt");\nexport default 1;\n');
    const advice = "Put it into worker/handlers (a name that begins with _ is no handler), or what changes while it runs into SHARED_DIR";
    const ignored = `git ignores data/prices.json, and a release holds what git does not ignore, and all of worker/handlers. ${advice}`;
    const found = (await problems()).sort();
    await rm(join(clone.folder, "..", beside));
    expect(found.map((line) => line.replace(/(TS\d+|handler\.load): .*?'(?: or its corresponding type declarations\.)?: /, ""))).toEqual([
      `worker/handlers/a.ts:1: a release holds nothing of gateway. ${advice}`,
      `worker/handlers/b.ts:2: ${ignored}`,
      `worker/handlers/c.js:1: ${ignored}`,
      `worker/handlers/d.ts:2: ${join(clone.folder, "..", beside)} lies outside of the clone, which releases are made of`,
      "worker/handlers/e.ts:2: handler.load: ENOENT: no such file or directory, open 'gone.txt'",
    ]);
  });

  test("a lock file that is missing", async () => {
    await clone.write("package-lock.json", "");
    expect(await problems()).toEqual([expect.stringMatching(/^package-lock\.json: is missing/)]);
  });
});

test("without the types that a check needs, a deploy is refused and told what it lacks; a start serves", async () => {
  await rm(join(clone.folder, "node_modules/@types"));
  const lacks = "the type check lacks @types/node, @types/ws, which npm installs with: npm install --include=dev";
  expect(await problems({ isFirst: false })).toEqual([`package.json: ${lacks}`]);
  const steps: string[] = [];
  await clone.write("worker/handlers/bad.ts", 'const text: number = "";\nthrow new Error("no key");\nexport default text;\n');
  expect(await problems({ onStep: (text) => steps.push(text) })).toEqual(["worker/handlers/bad.ts:2: handler.load: no key"]);
  expect(steps.at(-1)).toBe(`types are not checked: ${lacks}`);
});

test("types come from development packages, wherever releases are kept", async () => {
  await rm(join(clone.folder, "node_modules/@types"));
  await cp(join(import.meta.dirname, "../../node_modules/@types"), join(clone.folder, "node_modules/@types"), { recursive: true });
  await clone.write("node_modules/untyped/package.json", '{ "name": "untyped", "main": "main.js" }');
  await clone.write("node_modules/untyped/main.js", "module.exports = 1;");
  await clone.write("node_modules/@types/untyped/package.json", '{ "name": "@types/untyped", "types": "index.d.ts" }');
  await clone.write("node_modules/@types/untyped/index.d.ts", "declare const untyped: 1;\nexport = untyped;\n");
  await clone.write("node_modules/shapes/package.json", '{ "name": "shapes", "types": "shapes.d.ts" }');
  await clone.write("node_modules/shapes/shapes.d.ts", "export interface Shape {\n  a: 1;\n}\n");
  const lock = JSON.parse(await readFile(join(clone.folder, "package-lock.json"), "utf8"));
  lock.packages["node_modules/untyped"] = { version: "1.0.0" };
  await clone.write("package-lock.json", JSON.stringify(lock));
  const handler = `import type { Shape } from "shapes";
import untyped from "untyped";
import { defineHandler } from "../handler.ts";
export const shape: Shape = { a: untyped };
export default defineHandler({ path: "/typed", onOpen: (conn) => conn.send(untyped) });
`;
  await clone.write("worker/handlers/typed.ts", handler);
  const elsewhere = await mkdtemp(join(tmpdir(), "thinstate-releases-"));
  const { folder } = clone;
  for (const releases of [clone.releases, elsewhere]) {
    const store = openReleases({ clone: folder, folder: releases, sharedDir: folder });
    const { manifest } = await store.make(clone.options());
    expect(manifest.routes.map(({ path }) => path)).toContain("/typed");
  }
  await rm(elsewhere, { recursive: true });
});

test("the README's handler is accepted as it stands, and so are names that nobody uses", async () => {
  const [, example = ""] = /^```ts\n(.*?)^```$/ms.exec(readFileSync(join(import.meta.dirname, "..", "..", "README.md"), "utf8")) ?? [];
  expect(example).toContain("defineHandler");
  await clone.write("worker/handlers/readme.ts", `${example}\nconst unused = 1;\n`);
  const { manifest } = await clone.store.make(clone.options());
  const [, path] = /path: "(.*?)"/.exec(example) ?? [];
  expect(manifest.routes.map((route) => route.path)).toContain(path);
});
