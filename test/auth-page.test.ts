// The example of docs/auth.md for pages on another host, run as it stands there: its handler by a real gateway and worker, its scripts with
// the fetch and the WebSocket of a page of https://example.com.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sessionCookie } from "../worker/auth/sessions.ts";
import { refusal, TestClient } from "./client.ts";
import { startNats } from "./nats.ts";
import { TestSystem } from "./system.ts";

const secret = "a secret of at least thirty-two bytes";
const clone = join(import.meta.dirname, "..");
const documented = /^## A one-time ticket\n(.*?)^## /ms.exec(readFileSync(join(clone, "docs", "auth.md"), "utf8"))?.[1] ?? "";
const [throughSite = "", toSocketHost = ""] = blocks("js");

let folder: string;
let system: TestSystem;
let cookie: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-auth-page-"));
  const nats = await startNats(0, ["-js", "-sd", join(folder, "jetstream")]);
  system = await TestSystem.start({ handlers: "auth-page", environment: { SESSION_SECRET: secret }, nats });
  cookie = (await sessionCookie({ secret }).cookie({ user: "ada" })).split(";")[0] ?? "";
});

afterAll(async () => {
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

function blocks(language: string): string[] {
  return [...documented.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, block = ""]) => block);
}

interface FetchOptions {
  readonly method?: string;
  readonly credentials?: "include" | "same-origin";
}

/** @param cookieHost whose cookie the browser has. @returns a page's fetch: proxies lead example.com/ws/ and ws.example.com to the gateway. */
function fetchOf(cookieHost: string | undefined) {
  return async (address: string, { method = "GET", credentials = "same-origin" }: FetchOptions = {}) => {
    const { host, pathname } = new URL(address, "https://example.com/lobby");
    const isOwn = host === "example.com";
    const headers: Record<string, string> = { host, origin: "https://example.com" };
    if (cookieHost === host && (isOwn || credentials === "include")) headers.cookie = cookie;
    const { port } = system;
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request({ host: "127.0.0.1", port, method, path: isOwn ? pathname.replace(/^\/ws\//, "/") : pathname, headers }, resolve)
        .on("error", reject)
        .end();
    });
    const body = await text(answer);
    // Fetch standard, 4.10, "CORS check".
    const allowed = [answer.headers["access-control-allow-origin"], answer.headers["access-control-allow-credentials"]];
    if (!isOwn) expect(allowed).toEqual(["https://example.com", "true"]);
    const status = answer.statusCode ?? 0;
    return { status, ok: status === 200, json: async () => JSON.parse(body) as unknown };
  };
}

/** A page's WebSocket. */
class PageSocket extends TestClient {
  constructor(address: string) {
    const { host, pathname, search } = new URL(address);
    super(`${system.url}${pathname}${search}`, { headers: { host, origin: "https://example.com" } });
  }
}

function run(script: string, cookieHost?: string): Promise<PageSocket> {
  return runInNewContext(`(async () => { ${script}\nreturn socket; })()`, { fetch: fetchOf(cookieHost), WebSocket: PageSocket });
}

test("the handler that is documented is the one that runs here", () => {
  const handler = readFileSync(join(clone, "test", "handlers", "auth-page", "chat.ts"), "utf8");
  expect(blocks("ts")).toEqual([handler.replaceAll('"../../../worker/', '"../')]);
});

test.each([
  ["a path of the site leads to thinstate", throughSite, "example.com"],
  ["the page asks the socket's host", toSocketHost, "ws.example.com"],
])("%s: whoever has logged in gets a ticket, and is let in with it", async (_, script, cookieHost) => {
  const socket = await run(script, cookieHost);
  await socket.receives(1);
  expect(socket.values).toEqual([{ welcome: "ada" }]);
  await socket.close();
});

test.each([throughSite, toSocketHost])("whoever has not logged in is told so", async (script) => {
  expect(await run(script).catch(({ message }: Error) => message)).toBe("no ticket: 401");
});

test("a page of another site is refused, whatever it shows", async () => {
  const answer = await fetchOf("ws.example.com")("https://ws.example.com/chat", { method: "POST", credentials: "include" });
  const { ticket } = (await answer.json()) as { ticket: string };
  const headers = { host: "ws.example.com", origin: "https://evil.example" };
  expect(await refusal(`${system.url}/chat?ticket=${ticket}`, { headers })).toMatchObject({ status: 403 });
});
