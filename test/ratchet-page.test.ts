// The examples of docs/ratchet.md, run as they stand there: handlers by a real gateway and worker, the page's script by PHP where it is
// installed, the client's by the one of WAMP 1 that npm has.

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import Wamp from "wamp1";
import { WebSocket } from "ws";
import { withKey } from "../process/api-keys/changes.ts";
import { newKey, writeKeys } from "../process/api-keys/key-file.ts";
import { freePort } from "../supervisor/port.ts";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

const clone = join(import.meta.dirname, "..");
const page = readFileSync(join(clone, "docs", "ratchet.md"), "utf8");
const key = newKey();
/** What the page gives its key. */
const right = /api-key -- add blog --publish '([^']+)'/.exec(page)?.[1] ?? "";

let folder: string;
let system: TestSystem;
let api: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-ratchet-page-"));
  const file = join(folder, "keys.json");
  writeKeys(file, withKey([], { name: "blog", rights: { publish: [right], users: [], members: [], history: [] }, key, now: new Date() }));
  const port = await freePort("127.0.0.1");
  system = await TestSystem.start({ handlers: "ratchet-page", environment: { API_KEYS_FILE: file, API_PORT: String(port) } });
  api = `http://127.0.0.1:${port}`;
});

afterAll(async () => {
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

function block(language: string, begin: string): string {
  const start = `\`\`\`${language}\n${begin}`;
  const from = page.indexOf(start);
  expect(from, begin).toBeGreaterThan(-1);
  return page.slice(from + start.length, page.indexOf("\n```", from + start.length));
}

test.each(["chat", "pusher"])("handler %s is what the page shows", (name) => {
  const shown = block("ts", `// worker/handlers/${name}.ts\n`).replaceAll('"../', '"../../../worker/');
  expect(readFileSync(join(clone, "test", "handlers", "ratchet-page", `${name}.ts`), "utf8")).toBe(`${shown}\n`);
});

test("the chat: each message goes to all others", async () => {
  const clients = await Promise.all([1, 2, 3].map(() => TestClient.open(`${system.url}/chat`)));
  const [ada, bob, cyd] = clients as [TestClient, TestClient, TestClient];
  // Who hears something subscribes: then all three do.
  await hear(ada, [bob, cyd]);
  await hear(bob, [ada]);
  ada.send("Hello!");
  bob.send("Hi, Ada");
  await cyd.until(() => cyd.received.includes("Hello!") && cyd.received.includes("Hi, Ada"), "both arrive");
  await bob.until(() => bob.received.includes("Hello!"), "one arrives");
  expect(ada.received).not.toContain("Hello!");
  expect(bob.received).not.toContain("Hi, Ada");
});

/** Sends until all listeners have heard it. */
async function hear(speaker: TestClient, listeners: readonly TestClient[]): Promise<void> {
  for (let count = 0; listeners.some(({ received }) => received.length === 0); count++) {
    speaker.send(`test ${count}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A session of the client of WAMP 1, and what it hears. */
async function pusherClient() {
  const socket = new WebSocket(`${system.url}/pusher`, ["wamp"]);
  const signal = new Signal();
  const heard: unknown[] = [];
  const [session] = await Promise.all([
    new Promise<Wamp>((resolve) => {
      const wamp: Wamp = new Wamp(socket, () => resolve(wamp));
    }),
    once(socket, "open"),
  ]);
  session.subscribe("kittensCategory", (entry) => {
    heard.push(entry);
    signal.tell();
  });
  return { socket, session, heard, hears: (count: number) => signal.until(() => heard.length >= count, "entries arrive", patienceMs) };
}

function publish(call: object): Promise<Response> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
  return fetch(`${api}/publish`, { method: "POST", headers, body: JSON.stringify(call) });
}

test("the push tutorial: what a page publishes arrives, through a deploy as well; calls are refused", {
  timeout: 3 * patienceMs,
}, async () => {
  const { socket, session, heard, hears } = await pusherClient();
  // A subscription of version 1 is not confirmed: this entry is published until it arrives.
  while (heard.length === 0) {
    expect((await publish({ topic: "wamp1:/pusher#kittensCategory", data: [8, "kittensCategory", { title: "first" }] })).status).toBe(202);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const before = heard.length;
  await system.deploy("2");
  await publish({ topic: "wamp1:/pusher#kittensCategory", data: [8, "kittensCategory", { title: "after the deploy" }] });
  await hears(before + 1);
  expect(heard.at(-1)).toEqual({ title: "after the deploy" });

  const closed = once(socket, "close");
  const error = await new Promise((resolve) => session.call("http://example.com/any", resolve));
  expect(error).toMatchObject({ message: "You are not allowed to make calls" });
  await closed;
});

test("post.php publishes what it has saved", { timeout: 2 * patienceMs }, async ({ skip }) => {
  if (spawnSync("php", ["--version"]).status !== 0 && !process.env.CI) skip("needs PHP: apt-get install php-cli");
  const { socket, heard, hears } = await pusherClient();
  while (heard.length === 0) {
    await publish({ topic: "wamp1:/pusher#kittensCategory", data: [8, "kittensCategory", { title: "first" }] });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const before = heard.length;
  const script = `<?php $_POST = ['category' => 'kittensCategory', 'title' => 'Tabby', 'article' => '…'];${block("php", "<?php // post.php")}`;
  const file = join(folder, "post.php");
  writeFileSync(file, script.replace("http://127.0.0.1:8081", api));
  const run = spawnSync("php", [file], { env: { ...process.env, THINSTATE_KEY: key }, encoding: "utf8" });
  expect(run).toMatchObject({ status: 0, stderr: "" });
  await hears(before + 1);
  expect(heard.at(-1)).toMatchObject({ category: "kittensCategory", title: "Tabby" });
  socket.close();
});
