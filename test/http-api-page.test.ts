// The examples of docs/http-api.md, as they are written there, each by the program that it is for. One that is missing is skipped, and said.

import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withKey } from "../process/api-keys/changes.ts";
import { newKey, writeKeys } from "../process/api-keys/key-file.ts";
import { freePort } from "../supervisor/port.ts";
import { patienceMs } from "../testbed/patience.ts";
import { TestClient } from "./client.ts";
import { startNats } from "./nats.ts";
import { TestSystem } from "./system.ts";

const run = promisify(execFile);
const page = readFileSync(join(import.meta.dirname, "..", "docs", "http-api.md"), "utf8");

interface Language {
  /** Of its part of the page. */
  readonly title: string;
  readonly fence: string;
  /** Whether it is there, and has what the example needs. */
  readonly check: readonly [string, ...string[]];
  readonly command: (file: string) => readonly [string, ...string[]];
  readonly extension: string;
}

const languages: readonly Language[] = [
  { title: "Shell", fence: "sh", check: ["curl", "--version"], command: (file) => ["sh", "-e", file], extension: "sh" },
  {
    title: "PHP",
    fence: "php",
    check: ["php", "-r", "exit(function_exists('curl_init') ? 0 : 1);"],
    command: (file) => ["php", file],
    extension: "php",
  },
  {
    title: "PHP with Guzzle",
    fence: "php",
    check: ["php", "-r", "exit((@include 'GuzzleHttp/autoload.php') ? 0 : 1);"],
    command: (file) => ["php", file],
    extension: "php",
  },
  { title: "Python", fence: "python", check: ["python3", "--version"], command: (file) => ["python3", file], extension: "py" },
  { title: "Ruby", fence: "ruby", check: ["ruby", "--version"], command: (file) => ["ruby", file], extension: "rb" },
  { title: "Go", fence: "go", check: ["go", "version"], command: (file) => ["go", "run", file], extension: "go" },
];

let system: TestSystem;
let folder: string;
let env: NodeJS.ProcessEnv;
let room: TestClient;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "http-api-page-"));
  const file = join(folder, "keys.json");
  const key = newKey();
  const rights = { publish: ["room:*", "news"], users: ["ada", "bob"], members: ["room:*"], history: ["room:*"] };
  writeKeys(file, withKey([], { name: "page", rights, key, now: new Date() }));
  const port = await freePort("127.0.0.1");
  const nats = await startNats(0, ["-js", "-sd", join(folder, "jetstream")]);
  system = await TestSystem.start({ nats, environment: { API_KEYS_FILE: file, API_PORT: String(port) } });
  env = { ...process.env, THINSTATE_KEY: key, THINSTATE_URL: `http://127.0.0.1:${port}` };
  room = await TestClient.open(`${system.url}/script/room`);
  room.send([
    { do: "subscribe", topic: "room:7", as: { name: "Cyd" } },
    { do: "send", data: "in" },
  ]);
  await room.receives(1);
  // Debian's package has Guzzle in PHP's include_path.
  mkdirSync(join(folder, "vendor"));
  writeFileSync(join(folder, "vendor", "autoload.php"), "<?php require 'GuzzleHttp/autoload.php';");
});

afterAll(async () => {
  await system.stop();
  rmSync(folder, { recursive: true });
});

function isThere([program, ...parameters]: Language["check"]): boolean {
  try {
    execFileSync(program, parameters, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test("every example is of a language that is tried", () => {
  const fences = [...page.matchAll(/^```(\w+)$/gm)].map(([, fence]) => fence);
  expect(new Set(fences)).toEqual(new Set(languages.map(({ fence }) => fence)));
});

for (const { title, fence, check, command, extension } of languages) {
  const isSkipped = !isThere(check);
  if (isSkipped) process.stderr.write(`docs/http-api.md: the example for ${title} is NOT tried: ${check.join(" ")} fails here\n`);
  test.skipIf(isSkipped)(`the examples for ${title} do what they say`, { timeout: 2 * patienceMs }, async () => {
    const [, part = ""] = new RegExp(`^### ${title}\n(.*?)(?=^### |(?![^]))`, "ms").exec(page) ?? [];
    const examples = [...part.matchAll(new RegExp(`^\`\`\`${fence}\n(.*?)^\`\`\`$`, "gms"))].map(([, text = ""]) => text);
    expect(examples.length).toBeGreaterThan(0);
    const [ada, bob] = await Promise.all(["ada", "bob"].map((user) => TestClient.open(`${system.url}/app/${user}`)));
    await Promise.all([ada?.receives(1), bob?.receives(1)]);
    room.received.length = 0;
    let said = "";
    for (const [index, text] of examples.entries()) {
      const file = join(folder, `example-${index}.${extension}`);
      writeFileSync(file, text);
      const [program, ...parameters] = command(file);
      said += (await run(program, parameters, { env, cwd: folder, timeout: patienceMs })).stdout;
    }
    await Promise.all([room.receives(examples.length), ada?.receives(2)]);
    // What else is sent to the room may be no JSON.
    for (const told of [room.received[0], ada?.received[1]]) expect(JSON.parse(String(told))).toEqual({ from: title });
    expect(await bob?.closes()).toEqual({ code: 4000, reason: "locked" });
    expect(said).toContain("Cyd");
    if (title === "Shell") expect(said).toContain('"entries":[{"position":');
    await ada?.close();
  });
}
