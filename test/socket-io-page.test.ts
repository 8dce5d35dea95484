// The migration of docs/socket-io.md: the chat of Socket.IO's tutorial, run on thinstate as it is behind the diff. Its clients are Socket.IO's
// own, and do what the tutorial's page does.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { io, type Socket } from "socket.io-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { patienceMs } from "../testbed/patience.ts";
import { TestSystem } from "./system.ts";

const clone = join(import.meta.dirname, "..");
const client = join(clone, "node_modules/socket.io-client/dist/socket.io.js");
const page = readFileSync(join(clone, "docs", "socket-io.md"), "utf8");
const diff = (/```diff\n(.*?)\n```/s.exec(page)?.[1] ?? "").split(/^(?=--- )/m).map((file) => file.split("\n"));
const changes = diff.flatMap((lines) => lines.slice(2).filter((line) => /^[+-]/.test(line)));

let folder: string;
let system: TestSystem;
const sockets: Socket[] = [];

/** Writes what the diff makes, with our paths instead of those of `worker/handlers/`. */
beforeEach(async () => {
  folder = mkdtempSync(join(clone, "test/handlers/page-"));
  mkdirSync(join(folder, "public"));
  for (const [, to = "", ...lines] of diff) {
    const code = lines.filter((line) => !line.startsWith("-")).map((line) => line.slice(1));
    const here = code.join("\n").replaceAll(/'\.\.\/(?=adapters|files|handler)/g, "'../../../worker/");
    // A worker finds no package that only development needs.
    const resolved = here.replace("import.meta.resolve('socket.io-client/dist/socket.io.js')", `'${pathToFileURL(client)}'`);
    writeFileSync(join(folder, to.replace("+++ worker/handlers/", "")), resolved);
  }
  writeFileSync(join(folder, "public/index.html"), '<!doctype html><script src="/socket.io/socket.io.js"></script>');
  system = await TestSystem.start({ handlers: folder.slice(join(clone, "test/handlers/").length) });
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.disconnect();
  await system.stop();
  rmSync(folder, { recursive: true });
});

test("the migration is less than 30 lines, and the chat works: page, script, and what one says, all hear", async () => {
  expect(changes.length).toBeGreaterThan(20);
  expect(changes.length).toBeLessThan(30);
  const url = system.url.replace("ws:", "http:");
  expect(await (await fetch(`${url}/`)).text()).toContain("/socket.io/socket.io.js");
  const script = await fetch(`${url}/socket.io/socket.io.js`);
  expect([script.headers.get("content-type"), await script.text()]).toEqual([
    expect.stringContaining("javascript"),
    readFileSync(client, "utf8"),
  ]);
  const heard: unknown[][] = [];
  const connected = [0, 1, 2].map(async (index) => {
    const socket = io(url, { forceNew: true });
    sockets.push(socket);
    socket.on("chat message", (text) => heard.push([index, text]));
    await new Promise<void>((resolve) => socket.on("connect", resolve));
    return socket;
  });
  const [ada, bob] = await Promise.all(connected);
  ada?.emit("chat message", "hello");
  await expect.poll(() => heard.length, { timeout: patienceMs }).toBe(3);
  bob?.emit("chat message", "hi");
  await expect.poll(() => heard.length, { timeout: patienceMs }).toBe(6);
  expect(heard.sort()).toEqual([0, 1, 2].flatMap((index) => ["hello", "hi"].map((text) => [index, text])));
});
