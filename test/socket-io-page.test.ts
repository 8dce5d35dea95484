// The migration of docs/socket-io.md: what stands before the diff runs on Socket.IO's own server, what stands behind it on thinstate, and
// the same clients notice no difference.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { io } from "socket.io-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../supervisor/port.ts";
import { TestSystem } from "./system.ts";

const clone = join(import.meta.dirname, "..");
const page = readFileSync(join(clone, "docs", "socket-io.md"), "utf8");
const diff = (/```diff\n(.*?)\n```/s.exec(page)?.[1] ?? "").split("\n");
/** What a side has of the diff. */
const side = (sign: "-" | "+") => diff.filter((line) => line[0] !== (sign === "+" ? "-" : "+")).map((line) => line.slice(1));

let folder: string;
let server: ChildProcess | undefined;
let system: TestSystem | undefined;

beforeEach(() => {
  mkdirSync(join(clone, "test/handlers"), { recursive: true });
  folder = mkdtempSync(join(clone, "test/handlers/page-"));
});

afterEach(async () => {
  server?.kill();
  await system?.stop();
  rmSync(folder, { recursive: true });
});

/** What two clients of a chat hear. */
async function chat(url: string): Promise<unknown[]> {
  const heard: unknown[] = [];
  const [ada, bob] = [0, 1].map(() => io(url, { transports: ["websocket"], forceNew: true }));
  if (ada === undefined || bob === undefined) throw new Error("no clients");
  const told = (event: string) => new Promise<void>((resolve) => ada.once(event, () => resolve()));
  ada.onAny((...event) => heard.push(event));
  ada.emit("join", "Ada");
  // Ada is in the room when she is answered.
  heard.push(await ada.emitWithAck("chat message", "first"));
  const joined = told("joined");
  bob.emit("join", "Bob");
  await joined;
  const [done] = await Promise.all([bob.emitWithAck("chat message", "hi"), told("chat message")]);
  heard.push(done);
  const left = told("left");
  bob.disconnect();
  await left;
  ada.disconnect();
  return heard;
}

const expected = [["chat message", "Ada", "first"], "sent", ["joined", "Bob"], ["chat message", "Bob", "hi"], "sent", ["left", "Bob"]];

test("the chat before the migration, on Socket.IO's own server", async () => {
  const file = join(folder, "_before.mjs");
  writeFileSync(file, side("-").join("\n"));
  const port = await freePort("127.0.0.1");
  server = spawn(process.execPath, [file], { env: { ...process.env, PORT: String(port) }, stdio: "inherit" });
  expect(await chat(`http://127.0.0.1:${port}`)).toEqual(expected);
});

test("the chat behind it, on thinstate; the migration is less than 30 lines", async () => {
  const adapter = "../../../worker/adapters/socket-io/socket-io.ts";
  const code = side("+").join("\n");
  writeFileSync(join(folder, "chat.ts"), code.replace("../adapters/socket-io/socket-io.ts", adapter));
  system = await TestSystem.start({ handlers: folder.slice(join(clone, "test/handlers/").length) });
  expect(await chat(system.url.replace("ws:", "http:"))).toEqual(expected);
  expect(diff.filter((line) => /^[+-]/.test(line)).length).toBeLessThan(30);
});
