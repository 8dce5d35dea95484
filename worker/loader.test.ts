// Handlers in a real folder, loaded by a real process: what tsx and Node throw differs from what vitest's own loader does.

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { formatProblem, HandlersError, type Problem } from "./load-problem.ts";

const clone = join(import.meta.dirname, "..");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(clone, ".thinstate-loader-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, source] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), source);
  }
}

function handlerAt(path: string, more = ""): string {
  return `import { defineHandler } from "../worker/handler.ts";\nexport default defineHandler({\n  path: "${path}",\n  ${more}\n});\n`;
}

type Verdict = { ok: true; routes: { path: string }[] } | { ok: false; problems: Problem[] };

function trial(...more: readonly string[]): Promise<{ verdict: Verdict; exitCode: number }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--import", "./process/typescript.mjs", "worker/trial.ts", folder, ...more],
      { cwd: clone },
      (error, stdout, stderr) => {
        // No warnings of Node.js either.
        expect(stderr).toBe("");
        resolve({ verdict: JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? ""), exitCode: Number(error?.code ?? 0) });
      },
    );
  });
}

/** `file:line: code: text` of each problem, the file relative to the folder. */
async function problems(): Promise<string[]> {
  const { verdict, exitCode } = await trial();
  if (verdict.ok) throw new Error("the trial found nothing");
  expect(exitCode).toBe(1);
  const prefix = `${folder.slice(clone.length + 1)}/`;
  return verdict.problems.map(({ column: _, ...problem }) => formatProblem({ ...problem, file: problem.file.replace(prefix, "") }));
}

test("a handler takes the place of one with the same path in a folder behind its own, also by another parameter's name", async () => {
  write({
    "own/a.ts": handlerAt("/a/:mine", "subprotocols: ['mine'],").replace("../", "../../"),
    "demos/a.ts": handlerAt("/a/:theirs").replace("../", "../../"),
    "demos/deep/b.ts": handlerAt("/b").replace("../", "../../../"),
    "demos/deep/public/b.js": "document.title = 'for browsers';",
  });
  folder = join(folder, "own");
  const { verdict } = await trial(join(folder, "..", "demos"));
  folder = dirname(folder);
  expect(verdict).toMatchObject({ ok: true, routes: [{ path: "/a/:mine", subprotocols: ["mine"] }, { path: "/b" }] });
});

test("of the folders, the first one has to have a handler, and two of one path in any of them are a mistake", async () => {
  write({
    "demos/a.ts": handlerAt("/a").replace("../", "../../"),
    "demos/b.ts": handlerAt("/a").replace("../", "../../"),
    "own/readme.md": "",
  });
  const demos = join(folder, "demos");
  folder = join(folder, "own");
  const empty = await trial(demos);
  writeFileSync(join(folder, "own.ts"), handlerAt("/own").replace("../", "../../"));
  const twice = await trial(demos);
  folder = dirname(folder);
  expect(empty.verdict).toMatchObject({ ok: false, problems: [{ text: "holds no handler module" }] });
  expect(twice.verdict).toMatchObject({ ok: false, problems: [{ code: "handler.duplicate" }] });
});

test("every module of the folder and its subfolders is a handler, but tests, declarations and names with _", async () => {
  write({
    "b.ts": handlerAt("/b"),
    "deep/a.mjs": handlerAt("/a").replace("../", "../../"),
    "a.js": handlerAt("/c"),
    "c.mts": handlerAt("/d"),
    "_view.tsx": "throw 1;",
    "_old.cjs": "throw 1;",
    "_shared.ts": "export const shared = 1;",
    "_lib/x.ts": "throw 1;",
    "b.test.ts": "throw 1;",
    "b.d.ts": "export {};",
    "notes.md": "",
  });
  const { verdict, exitCode } = await trial();
  expect(exitCode).toBe(0);
  expect(verdict).toMatchObject({ ok: true, routes: [{ path: "/c" }, { path: "/b" }, { path: "/d" }, { path: "/a" }] });
});

test("a file that looks like a handler and is not served is a problem", async () => {
  write({ "a.cts": "", "a.test.tsx": "throw 1;", "b.d.cts": "", "b.cjs": "", "c.tsx": "", "d.jsx": "", "e.ts": handlerAt("/e") });
  const text = "handler.invalid: is not served: name a handler .ts, .mts, .js or .mjs, and what is none with _ first";
  expect(await problems()).toEqual(["a.cts", "b.cjs", "c.tsx", "d.jsx"].map((file) => `${file}: ${text}`));
});

test("a gateway is told what it needs of a route", async () => {
  write({
    "a.ts": handlerAt(
      "/a",
      `origins: ["https://example.com", "*"], requireOrigin: true, subprotocols: ["wamp.2.json"], onUpgrade() {}, onAdopt() {}, onPublish() {},`,
    ),
    "b.ts": handlerAt("/b", "requireOrigin: false, onOpen() {}, onRequest: () => new Response(),"),
    "c.ts": handlerAt("/c", "onRequest: () => new Response(),"),
  });
  expect((await trial()).verdict).toEqual({
    ok: true,
    routes: [
      {
        path: "/a",
        origins: ["https://example.com", "*"],
        requireOrigin: true,
        subprotocols: ["wamp.2.json"],
        upgrades: true,
        answers: false,
        adopts: true,
        expires: false,
        timers: false,
        publishes: true,
      },
      { path: "/b", subprotocols: [], upgrades: false, answers: true, adopts: false, expires: false, timers: false },
      // A worker refuses them: there is no WebSocket.
      { path: "/c", subprotocols: [], upgrades: true, answers: true, adopts: false, expires: false, timers: false },
    ],
  });
});

test("the trial ends although a handler leaves timers and has printed", async () => {
  write({ "a.ts": `setInterval(() => {}, 1000);\nprocess.stdout.write("no line end");\n${handlerAt("/a")}` });
  expect((await trial()).verdict).toMatchObject({ ok: true });
});

describe("a problem names file and line:", () => {
  test("syntax error, also in a file that a handler imports, once", async () => {
    write({
      "a.ts": "const a = 1;\nexport default {\n  x: 1,,\n};\n",
      "b.ts": `import "./_c.ts";\n${handlerAt("/b")}`,
      "d.ts": `import "./_c.ts";\n${handlerAt("/d")}`,
      "_c.ts": "\nlet 1;\n",
    });
    expect(await problems()).toEqual([
      'a.ts:3: handler.load: Expected identifier but found ","',
      '_c.ts:2: handler.load: Expected ";" but found "1"',
    ]);
  });

  test("throw at load", async () => {
    write({
      "a.ts": `interface A {\n  a: 1;\n}\nthrow new TypeError("no database");\n`,
      "b.ts": `import "./_b.ts";`,
      "_b.ts": "\nnull.x;",
    });
    expect(await problems()).toEqual([
      "a.ts:4: handler.load: TypeError: no database",
      "_b.ts:2: handler.load: TypeError: Cannot read properties of null (reading 'x')",
    ]);
  });

  test("throw of something that is no error", async () => {
    write({ "a.ts": `throw "x";` });
    expect(await problems()).toEqual(['a.ts: handler.load: threw "x"']);
  });

  test("imports that are not there", async () => {
    write({
      "a.ts": `\nimport "no-such-package";`,
      "b.ts": `\n\nimport "./gone.ts";`,
      "c.ts": `import { gone } from "./_c.ts";\ngone();`,
      "_c.ts": "export {};",
    });
    const prefix = folder.slice(clone.length + 1);
    expect(await problems()).toEqual([
      "a.ts:2: handler.load: Cannot find package 'no-such-package' (npm install --save-prod no-such-package)",
      `b.ts:3: handler.load: Cannot find module '${prefix}/gone.ts'`,
      "c.ts:1: handler.load: SyntaxError: The requested module './_c.ts' does not provide an export named 'gone'",
    ]);
  });

  test("JavaScript that cannot be read, and CommonJS", async () => {
    write({
      "a.js": 'import "node:fs";\n\nconst a = 1;\nsyntax error here(\n',
      "b.js": 'const answer = 1;\nconst fs = require("node:fs");',
      "c.js": "\nmodule.exports = {};",
      "d.js": "\nprocess.chdir(__dirname);",
    });
    expect(await problems()).toEqual([
      expect.stringMatching(/^a\.js:4: handler\.load: SyntaxError: Unexpected identifier/),
      'b.js:2: handler.load: require is not defined, as handlers are ES modules: import fs from "node:fs", say',
      "c.js:2: handler.load: module is not defined, as handlers are ES modules: export default defineHandler({ … })",
      "d.js:2: handler.load: __dirname is not defined, as handlers are ES modules: use import.meta.dirname",
    ]);
  });

  test("options that defineHandler refuses", async () => {
    write({
      "a.ts": handlerAt("/a/"),
      "b.ts": handlerAt("/b", "onMesage() {}"),
      "c.ts": handlerAt("/c", `origins: ["example.com"]`),
      "d.ts": handlerAt("/d", `subprotocols: ["a b"]`),
      "e.ts": handlerAt("/e", "state: {}"),
      "f.ts": handlerAt("/f", "onOpen: 1"),
      "g.ts": handlerAt("/g", `origins: ["https://*"]`),
      "h.ts": handlerAt("/h", `requireOrigin: "yes"`),
    });
    const found = await problems();
    expect(found.map((text) => text.replace(/: (allowed|an origin|the options|a subprotocol|there).*/, ""))).toEqual([
      'a.ts:2: handler.invalid: path "/a/" must not end with /',
      expect.stringMatching(/^b\.ts:2: handler\.invalid/),
      'c.ts:2: handler.invalid: origins has "example.com"',
      'd.ts:2: handler.invalid: subprotocols has "a b"',
      "e.ts:2: handler.invalid: state must be a Standard Schema, or type<T>()",
      "f.ts:2: handler.invalid: onOpen must be a function",
      'g.ts:2: handler.invalid: origins has "https://*"',
      "h.ts:2: handler.invalid: requireOrigin must be true or false",
    ]);
  });

  test("two modules at one path, or at one shape of path", async () => {
    write({ "a.ts": handlerAt("/a/:b"), "b.ts": handlerAt("/a/:c"), "c.ts": handlerAt("/a/:b") });
    const first = `${folder.slice(clone.length + 1)}/a.ts`;
    expect(await problems()).toEqual([
      `b.ts:3: handler.duplicate: serves /a/:c, which ${first} serves already as /a/:b`,
      `c.ts:3: handler.duplicate: serves /a/:b, which ${first} serves already`,
    ]);
  });

  test("a default export that is no handler", async () => {
    write({ "a.ts": "export default {};" });
    expect(await problems()).toEqual([expect.stringContaining("a.ts: handler.invalid: its default export")]);
  });

  test("a state that no new connection could have", async () => {
    const typed = (path: string, rest: string) => handlerAt(path, rest).replace("{ defineHandler", "{ defineHandler, type");
    write({
      "a.ts": typed("/a", "state: type<{ a: 1 }>(),"),
      "b.ts": typed("/b", "state: type<{ a: 1 }>({ a: 1 }),"),
      "c.ts": typed("/c", "state: type<{ a: 1 }>(), migrate: () => ({ a: 1 as const }),"),
      "d.ts": typed("/d", "state: type<{ a: 1 }>(), onUpgrade: () => ({ state: { a: 1 as const } }),"),
      "e.ts": handlerAt("/e", `state: { "~standard": { version: 1, vendor: "x", validate: async (value) => ({ value }) } },`),
    });
    expect(await problems()).toEqual([
      expect.stringMatching(/^a\.ts:4: handler\.invalid: a new connection has no valid state \(state\.invalid: is missing\): give/),
      expect.stringMatching(/^e\.ts:4: handler\.invalid: the state schema is asynchronous/),
    ]);
  });

  test("a rejection that nobody handles", async () => {
    write({ "a.ts": `\nvoid Promise.reject(new Error("stray"));\nawait new Promise((resolve) => setTimeout(resolve, 1000));\n` });
    expect(await problems()).toEqual(["a.ts:2: handler.load: stray"]);
  });

  test("an empty folder", async () => {
    expect(await problems()).toEqual([expect.stringContaining("handler.load: holds no handler module")]);
  });
});

test("what never loads is named a quarter before the time to be ready is over, and a slow start leaves another quarter", async () => {
  const { loadingTimeMs } = await import("./loader.ts");
  expect(loadingTimeMs(10_000, 440)).toBe(7_100);
  expect(loadingTimeMs(10_000, 5_000)).toBe(2_500);
  expect(loadingTimeMs(10_000, 9_000)).toBe(2_500);
});

describe("a module whose load never settles", () => {
  /** Busy as often as this says, then not. */
  const load = async (isBusy: boolean[], isPatient: boolean) => {
    const { loadHandlers } = await import("./loader.ts");
    write({ "a.ts": "await new Promise(() => {});" });
    const watchProcessors = () => ({ busyText: () => (isBusy.shift() ? "the machine is busy" : undefined) });
    const loading = loadHandlers([folder], { root: clone, timeoutMs: 50, isPatient, watchProcessors });
    const error = await loading.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HandlersError);
    return (error as HandlersError).message.replace(/^.*a\.ts: /, "");
  };
  const cutOff = "handler.load: did not load within 0.05 s: does a top-level await never settle?";

  test("is cut off", async () => {
    expect(await load([], false)).toBe(cutOff);
  });

  test("is blamed on the machine where that is busy", async () => {
    expect(await load([true], false)).toBe("handler.load: did not load within 0.05 s: the machine is busy; READY_TIMEOUT_MS gives it more");
  });

  test("gets the same time again in a trial on a busy machine, until that has been idle", async () => {
    const isBusy = [true, true];
    expect(await load(isBusy, true)).toBe(cutOff);
    expect(isBusy).toEqual([]);
  });
});
