// The page of examples/php, on PHP's own server: it logs somebody in, and pushes to her browser through the HTTP API. Skipped, and said,
// where there is no PHP.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withKey } from "../process/api-keys/changes.ts";
import { newKey, writeKeys } from "../process/api-keys/key-file.ts";
import { freePort } from "../supervisor/port.ts";
import { endsWithUs } from "../testbed/ends-with-us.ts";
import { patienceMs } from "../testbed/patience.ts";
import { refusal, TestClient } from "./client.ts";
import { TestSystem } from "./system.ts";

const example = join(import.meta.dirname, "..", "examples", "php");
const secret = "a secret of at least thirty-two bytes";
const hasPhp = isThere();
if (!hasPhp) process.stderr.write("examples/php is NOT tried: php --version fails here\n");

let folder: string;
let system: TestSystem;
let php: ChildProcess;
let page: string;

beforeAll(async () => {
  if (!hasPhp) return;
  folder = mkdtempSync(join(tmpdir(), "php-page-"));
  const file = join(folder, "keys.json");
  const key = newKey();
  writeKeys(file, withKey([], { name: "page", rights: { publish: [], users: ["*"], members: [], history: [] }, key, now: new Date() }));
  const [pagePort, apiPort] = [await freePort("127.0.0.1"), await freePort("127.0.0.1")];
  page = `http://127.0.0.1:${pagePort}`;
  const environment = { API_KEYS_FILE: file, API_PORT: String(apiPort), SESSION_SECRET: secret, PAGES: page };
  system = await TestSystem.start({ handlers: "../../examples/php/handlers", environment });
  const ours = {
    SESSION_SECRET: secret,
    THINSTATE_KEY: key,
    THINSTATE_URL: `http://127.0.0.1:${apiPort}`,
    SOCKET_URL: `${system.url}/notices`,
  };
  const parameters = ["-d", `session.save_path=${folder}`, "-S", new URL(page).host, "-t", join(example, "public")];
  php = spawn("php", parameters, { env: { PATH: process.env.PATH, ...ours }, stdio: "ignore" });
  endsWithUs(php, "SIGKILL");
  const until = performance.now() + patienceMs;
  while (!(await fetch(page).catch(() => undefined))?.ok) if (performance.now() > until) throw new Error("php does not serve");
});

afterAll(async () => {
  if (!hasPhp) return;
  php.kill("SIGKILL");
  await system.stop();
  rmSync(folder, { recursive: true });
});

function isThere(): boolean {
  try {
    execFileSync("php", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A browser's cookies, and what it does with them. */
class Browser {
  private readonly cookies = new Map<string, string>();

  get cookie(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  async post(fields: Record<string, string>): Promise<number> {
    const init = { method: "POST", body: new URLSearchParams(fields), redirect: "manual" } as const;
    return (await this.ask(init)).status;
  }

  /** What the page connects to. */
  async socketUrl(): Promise<string> {
    const text = await (await this.ask({})).text();
    return JSON.parse(/const url = (".*");/.exec(text)?.[1] ?? '""') as string;
  }

  async connect(): Promise<TestClient> {
    const client = await TestClient.open(await this.socketUrl(), { headers: { cookie: this.cookie, origin: page } });
    await client.receives(1);
    return client;
  }

  private async ask(init: RequestInit): Promise<Response> {
    const response = await fetch(page, { ...init, headers: { cookie: this.cookie } });
    for (const header of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]*)=([^;]*)/.exec(header) ?? [];
      if (value === "" || value === "deleted") this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return response;
  }
}

test.skipIf(!hasPhp)("it logs somebody in, and what she does in one window is told in all of them, until she logs out", async () => {
  const ada = new Browser();
  expect(await ada.post({ do: "log in", name: "ada", password: "wrong" })).toBe(401);
  const url = `${system.url}/notices`;
  const refused = () => refusal(url, { headers: { origin: page, cookie: ada.cookie } });
  expect(await refused()).toMatchObject({ status: 401 });
  expect(await ada.post({ do: "log in", name: "ada", password: "secret" })).toBe(303);
  expect(await ada.socketUrl()).toBe(url);
  const bob = new Browser();
  await bob.post({ do: "log in", name: "bob", password: "secret" });
  const [window, other, his] = [await ada.connect(), await ada.connect(), await bob.connect()];
  expect(await ada.post({ do: "order", what: "<tea>" })).toBe(303);
  for (const client of [window, other]) {
    await client.receives(2);
    expect(client.values).toEqual([{ text: expect.stringContaining("Hello ada") }, { text: "You have ordered: <tea>" }]);
  }
  expect(await ada.post({ do: "log out" })).toBe(303);
  for (const client of [window, other]) expect(await client.closes()).toEqual({ code: 4401, reason: "logged out" });
  expect(await refused()).toMatchObject({ status: 401 });
  await bob.post({ do: "order", what: "coffee" });
  await his.receives(2);
  expect(his.values[1]).toEqual({ text: "You have ordered: coffee" });
  await his.close();
});
