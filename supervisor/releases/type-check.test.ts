import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type TestClone, testClone } from "./test-clone.ts";
import { parseDiagnostics } from "./type-check.ts";

describe("a handler in plain JavaScript", () => {
  let clone: TestClone;

  beforeEach(async () => {
    clone = await testClone();
  });

  afterEach(() => clone.remove());

  test("needs no annotations, nor does what it imports", async () => {
    await clone.write(
      "worker/handlers/plain.js",
      `import * as v from "valibot";
import { defineHandler } from "../handler.ts";
import { Clock, greet } from "./_lib.js";

const rooms = new Map();
const counts = {};
const seen = [];
let last = null;

export default defineHandler({
  path: "/plain/:room",
  state: v.object({ name: v.string(), sent: v.optional(v.number(), 0) }),
  onUpgrade: ({ query, cookies }) => ({ state: { name: query.get("name") ?? cookies.name } }),
  onOpen(conn) {
    last = new Clock(conn.id);
    counts[conn.id] = (counts[conn.id] || 0) + 1;
    seen.push(conn.id);
    conn.subscribe(conn.user);
    const [, second] = conn.path.split("/");
    conn.subscribe(second);
    conn.send(/(x)/.exec(conn.path)[1].toUpperCase());
  },
  onMessage(conn, message) {
    const { room } = message.json();
    rooms.get(room).last = last.start();
    conn.subscribe(message.json().topic);
    conn.send(greet(conn.state.name));
    conn.setState({ ...conn.state, sent: conn.state.sent + 1 });
    try {
      for (const each of message.json()) conn.send(each);
    } catch (error) {
      conn.send(error.message);
    }
    const refused = new Error("not authorized");
    refused.data = { code: 1 };
    conn.send(String(refused.data.code));
  },
});
`,
    );
    await clone.write(
      "worker/handlers/_lib.js",
      `export function greet(name, options = {}) {
  return options.loud ? name.toUpperCase() : name;
}

export class Clock {
  constructor(name) {
    this.name = name;
    this.timer = null;
  }
  start() {
    this.timer = setTimeout(() => {}, 10);
    this.extra = 1;
    return this.timer;
  }
}
`,
    );
    await clone.write(
      "worker/handlers/stateless.mjs",
      `import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/stateless",
  onMessage(conn, message) {
    conn.setState({ ...conn.state, count: conn.state.count + 1 });
    helper(conn, message.json());
  },
});

function helper(conn, { name }) {
  conn.send(name);
}
`,
    );
    const { manifest } = await clone.store.make(clone.options());
    expect(manifest.routes.map(({ path }) => path)).toEqual(expect.arrayContaining(["/plain/:room", "/stateless"]));
  });

  test("is refused for what is wrong in it, with file and line", async () => {
    await clone.write(
      "worker/handlers/wrong.js",
      `import { defineHandler } from "../handler.ts";

export default defineHandler({
  path: "/wrong/:room",
  onMessage(conn, message) {
    conn.snd(message);
    conn.publish("topic");
    conn.subscribe(conn.params.rom);
    undefinedName();
    conn.close("now");
  },
});
`,
    );
    const error: unknown = await clone.store.make(clone.options()).catch((thrown: unknown) => thrown);
    expect((error as Error).message.split("\n").map((line) => line.replace(/TS\d+: /, ""))).toEqual([
      expect.stringMatching(/^worker\/handlers\/wrong\.js:6: Property 'snd' does not exist .* Did you mean 'send'\?/),
      expect.stringMatching(/^worker\/handlers\/wrong\.js:7: Expected 2-3 arguments, but got 1/),
      expect.stringMatching(/^worker\/handlers\/wrong\.js:8: Property 'rom' does not exist/),
      expect.stringMatching(/^worker\/handlers\/wrong\.js:9: Cannot find name 'undefinedName'/),
      expect.stringMatching(/^worker\/handlers\/wrong\.js:10: Argument of type 'string' is not assignable to parameter of type 'number'/),
    ]);
  });
});

test("an import of a package that is not installed says how to install it; one of a file does not", () => {
  const missing = (name: string) => `a.ts(1,1): error TS2307: Cannot find module '${name}' or its corresponding type declarations.\n`;
  const texts = ["lodash", "@scope/name/part", "./lib.ts", "node:sf", "#lib", "@/lib/db", "~/x", "fs/promisess"].flatMap((name) =>
    parseDiagnostics(missing(name)),
  );
  const advice = texts.map(({ text }) => /\(npm .*\)$/.exec(text)?.[0]);
  expect(advice).toEqual(["(npm install --save-prod lodash)", "(npm install --save-prod @scope/name)", ...Array(6).fill(undefined)]);
});

test("a compiler's error goes on over lines that start with a blank", () => {
  const output =
    "a.ts(3,5): error TS2322: No.\n  Because.\n    Deeply.\nb c.ts(1,1): error TS1: Two.\nerror TS5: Three.\nFound 3 errors.\n";
  expect(parseDiagnostics(output)).toEqual([
    { file: "a.ts", line: 3, text: "TS2322: No.\n  Because.\n    Deeply." },
    { file: "b c.ts", line: 1, text: "TS1: Two." },
    { file: "tsconfig.json", text: "TS5: Three." },
  ]);
});
