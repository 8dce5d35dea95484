// The examples of docs/http-api.md, as they are written there, each by the program that it is for. One that is missing is skipped, and said.

import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withKey } from "../process/api-keys/changes.ts";
import { newKey, writeKeys } from "../process/api-keys/key-file.ts";
import { freePort } from "../supervisor/port.ts";
import { patienceMs } from "../testbed/patience.ts";
import { TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

const run = promisify(execFile);
const page = readFileSync(join(import.meta.dirname, "..", "docs", "http-api.md"), "utf8");

interface Language {
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
  { title: "Python", fence: "python", check: ["python3", "--version"], command: (file) => ["python3", file], extension: "py" },
  { title: "Ruby", fence: "ruby", check: ["ruby", "--version"], command: (file) => ["ruby", file], extension: "rb" },
  { title: "Go", fence: "go", check: ["go", "version"], command: (file) => ["go", "run", file], extension: "go" },
];

let system: TestSystem;
let folder: string;
let env: NodeJS.ProcessEnv;
let client: TestClient;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "http-api-page-"));
  const file = join(folder, "keys.json");
  const key = newKey();
  const rights = { publish: ["room:*", "news"], users: [], members: [] };
  writeKeys(file, withKey([], { name: "page", rights, key, now: new Date() }));
  const port = await freePort("127.0.0.1");
  system = await TestSystem.start({ environment: { API_KEYS_FILE: file, API_PORT: String(port) } });
  env = { ...process.env, THINSTATE_KEY: key, THINSTATE_URL: `http://127.0.0.1:${port}` };
  client = await TestClient.open(`${system.url}/script/room`);
  client.send([
    { do: "subscribe", topic: "room:7" },
    { do: "send", data: "in" },
  ]);
  await client.receives(1);
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
  test.skipIf(isSkipped)(`the examples for ${title} publish`, { timeout: 2 * patienceMs }, async () => {
    const examples = [...page.matchAll(new RegExp(`^\`\`\`${fence}\n(.*?)^\`\`\`$`, "gms"))].map(([, text = ""]) => text);
    expect(examples.length).toBeGreaterThan(0);
    client.received.length = 0;
    for (const [index, text] of examples.entries()) {
      const file = join(folder, `example-${index}.${extension}`);
      writeFileSync(file, text);
      const [program, ...parameters] = command(file);
      await run(program, parameters, { env, timeout: patienceMs });
    }
    await client.receives(examples.length);
    // The first one of each: what follows may be no JSON.
    expect(JSON.parse(String(client.received[0]))).toEqual({ from: title === "Shell" ? "shell" : title });
  });
}
