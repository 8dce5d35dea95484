// The example of docs/wamp.md, run as it stands there.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { type } from "../worker/adapters/wamp/messages/messages.ts";
import type { State } from "../worker/adapters/wamp/session/session.ts";
import { WireSession } from "../worker/adapters/wamp/testing/wire-session.ts";
import type { Handler } from "../worker/handler.ts";
import { type TestApp, testHandler } from "../worker/testing.ts";

const clone = join(import.meta.dirname, "..");

test("the page's router adds, is sold out, and keeps guests out of what is not public", async () => {
  const [, code = ""] =
    /```ts\n(\/\/ worker\/handlers\/router\.ts\n.*?)```/s.exec(readFileSync(join(clone, "docs", "wamp.md"), "utf8")) ?? [];
  const folder = mkdtempSync(join(tmpdir(), "thinstate-wamp-page-"));
  const file = join(folder, "router.ts");
  writeFileSync(file, code.replace('"../adapters/wamp/wamp.ts"', JSON.stringify(join(clone, "worker/adapters/wamp/wamp.ts"))));
  const { default: handler } = (await import(pathToFileURL(file).href)) as { default: Handler };
  rmSync(folder, { recursive: true });
  const session = await WireSession.join((await testHandler(handler)) as TestApp<State>);
  expect(await session.ask(type.CALL, {}, "com.example.add", [2, 3])).toEqual([type.RESULT, 1, {}, [5]]);
  expect((await session.ask(type.CALL, {}, "com.example.buy"))[4]).toBe("com.example.error.sold_out");
  expect((await session.ask(type.SUBSCRIBE, {}, "com.example.secret"))[4]).toBe("wamp.error.not_authorized");
  expect((await session.ask(type.SUBSCRIBE, {}, "com.example.public.news"))[0]).toBe(type.SUBSCRIBED);
});
