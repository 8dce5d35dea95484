// The examples of docs/handlers.md, run as they stand there.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, expect, test, vi } from "vitest";
import { patienceMs } from "../testbed/patience.ts";
import { defineHandler, type Handler } from "../worker/handler.ts";
import { testHandler } from "../worker/testing.ts";

const clone = join(import.meta.dirname, "..");
const page = readFileSync(join(clone, "docs", "handlers.md"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "thinstate-handlers-page-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The handler that the page shows under this name. */
async function example(name: string): Promise<Handler> {
  const start = `\`\`\`ts\n// worker/handlers/${name}.ts\n`;
  const from = page.indexOf(start);
  expect(from, name).toBeGreaterThan(-1);
  const code = page.slice(from + start.length, page.indexOf("\n```", from + start.length));
  const file = join(folder, `${name}.ts`);
  const found = {
    "../handler.ts": join(clone, "worker", "handler.ts"),
    "../session.ts": join(clone, "worker", "session.ts"),
    valibot: fileURLToPath(import.meta.resolve("valibot")),
  };
  const complete = Object.entries(found).reduce((text, [name, at]) => text.replaceAll(`"${name}"`, JSON.stringify(at)), code);
  writeFileSync(file, complete);
  return ((await import(pathToFileURL(file).href)) as { default: Handler }).default;
}

test("the lobby tells each newcomer who is there, and everybody who comes and goes", async () => {
  const app = await testHandler(await example("lobby"));
  const ada = await app.connect("/lobby/blue?name=Ada");
  const bob = await app.connect("/lobby/blue?name=Bob");
  await app.connect("/lobby/red?name=Eve");
  await bob.send({ text: "hi" });
  await ada.close();
  const cyd = await app.connect("/lobby/blue?name=Cyd");
  expect(ada.received).toEqual([{ here: [{ name: "Ada" }] }, { joined: "Bob" }, { from: "Bob", text: "hi" }]);
  expect(bob.received).toEqual([
    { here: [{ name: "Ada" }, { name: "Bob" }] },
    { from: "Bob", text: "hi" },
    { left: "Ada" },
    { joined: "Cyd" },
  ]);
  expect(cyd.received).toEqual([{ here: [{ name: "Bob" }, { name: "Cyd" }] }]);
});

test("the inbox counts the letters that its owner gets, but for those of whom he has blocked", async () => {
  const app = await testHandler(await example("inbox"));
  const [ada, bob, eve] = [await app.connect("/inbox/ada"), await app.connect("/inbox/bob"), await app.connect("/inbox/eve")];
  await bob.send({ to: "ada", text: "hi" });
  await ada.send({ block: "eve" });
  await eve.send({ to: "ada", text: "buy" });
  await bob.send({ to: "ada", text: "again" });
  expect(ada.received).toEqual([
    { from: "bob", text: "hi", number: 1 },
    { from: "bob", text: "again", number: 2 },
  ]);
  expect([bob.received, eve.received]).toEqual([[], []]);
});

test("the game waits for each move as long as it says, and gives up after the third", async () => {
  const app = await testHandler(await example("game"));
  const ada = await app.connect("/game/1");
  app.advance(29_000);
  await ada.send({ move: "e4" });
  app.advance(29_000);
  expect(ada.take()).toEqual([{ player: ada.id, move: "e4" }]);
  app.advance(61_000);
  expect(ada.take()).toEqual([1, 2, 3].map((missed) => ({ player: ada.id, missed })));
  expect(ada.closed).toEqual({ code: 4000, reason: "too slow" });
});

test("a picture comes behind its header", async () => {
  const app = await testHandler(await example("pictures"));
  const [ada, bob] = [await app.connect("/pictures"), await app.connect("/pictures")];
  await ada.send(new Uint8Array([7]));
  expect(bob.received).toEqual([{ by: ada.id, attachments: 1 }, new Uint8Array([7])]);
});

test("the device is closed where it does not answer its heartbeat", async () => {
  const app = await testHandler(await example("device"));
  const ada = await app.connect("/device");
  app.advance(25_000);
  await ada.send("pong");
  app.advance(25_000);
  expect(ada.take()).toEqual(["ping", "ping"]);
  app.advance(20_000);
  expect(ada.closed).toEqual({ code: 4000, reason: "no pong" });
});

test("the ticker ticks until another release has it", async () => {
  const first = await example("ticker");
  const app = await testHandler(first);
  const ada = await app.connect("/prices");
  await vi.waitUntil(() => ada.received.length > 0, { timeout: patienceMs });
  expect(ada.take()).toEqual([{ price: expect.any(Number) }]);
  const later: string[] = [];
  await app.deploy(defineHandler({ path: "/prices", tasks: { ticker: { run: (_app, { fence }) => void later.push(`fence ${fence}`) } } }));
  expect(later).toEqual(["fence 2"]);
});

test("the counter answers who asks, tells what does not fit, and limits how much is asked", async () => {
  const app = await testHandler(await example("counter"));
  const ada = await app.connect("/counter");
  await ada.send({ type: "add", n: 2, id: 1 });
  await ada.send({ type: "add", n: 3 });
  await ada.send({ type: "add", n: "x", id: 2 });
  await ada.send({ type: "read", id: 3 });
  expect(ada.received).toEqual([
    { id: 1, data: 2 },
    { id: 2, error: { code: "message.invalid", message: expect.any(String), issues: [{ path: "n", message: expect.any(String) }] } },
    { id: 3, data: 5 },
  ]);
  for (let count = 0; count < 17; count++) await ada.send({ type: "read" });
  expect(ada.closed).toEqual({ code: 1008, reason: "rate.sent" });
});

test("the log gives newcomers what was said before, and keeps no more than that", async () => {
  const app = await testHandler(await example("log"));
  const ada = await app.connect("/log/blue?name=Ada");
  for (let number = 0; number < 25; number++) await ada.send({ text: String(number) });
  const bob = await app.connect("/log/blue?name=Bob");
  await ada.send({ text: "hi" });
  const said = (number: number) => ({ from: "Ada", text: String(number) });
  const before = Array.from({ length: 20 }, (_, index) => said(5 + index));
  expect(bob.received).toEqual([...before, { welcome: "Bob" }, { from: "Ada", text: "hi" }]);
  expect(ada.received).toEqual([
    { welcome: "Ada" },
    ...Array.from({ length: 25 }, (_, index) => said(index)),
    { joined: "Bob" },
    { from: "Ada", text: "hi" },
  ]);
  const log = (await (await app.request("/log/blue")).json()) as unknown[];
  expect(log).toHaveLength(26);
  app.advance(24 * 3600 * 1_000);
  expect(await (await app.request("/log/blue")).json()).toEqual([]);
});

test("one of those who open the document may edit it; it is free when that one is done, or goes", async () => {
  const app = await testHandler(await example("editor"));
  const ada = await app.connect("/doc/1");
  const bob = await app.connect("/doc/1");
  await ada.send({ edit: true });
  const waits = bob.send({ edit: true });
  app.advance(1_000);
  await waits;
  expect([ada.take(), bob.take()]).toEqual([[{ mayEdit: true }], [{ editor: ada.id }, { mayEdit: false }]]);
  const gets = bob.send({ edit: true });
  await ada.send({ text: "hello", done: true });
  await gets;
  expect(bob.take()).toEqual([{ text: "hello" }, { editor: null }, { mayEdit: true }]);
  await bob.close();
  expect(ada.take()).toEqual([{ editor: bob.id }, { editor: null }]);
  await ada.send({ edit: true });
  expect(ada.take()).toEqual([{ mayEdit: true }]);
});

test("lines: requests receive, or send; one whose session is not there opens it", async () => {
  const app = await testHandler(await example("lines"));
  expect(await app.session("/lines/k")).toMatchObject({ kind: "receive", key: "k" });
  expect(await app.session("/lines/k", { sessionMissing: true })).toMatchObject({ kind: "open", key: "k", idleMs: 30_000 });
  expect(await app.session("/lines/k", { method: "POST", body: "hi" })).toMatchObject({ kind: "deliver", messages: ["hi"] });
  const client = await app.connect("/lines/k");
  await client.send("hi");
  expect(client.received).toEqual(["welcome", "got hi"]);
});
