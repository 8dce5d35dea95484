// Which pages of other sites may poll, and whether with cookies: as npm's `cors` does it, to which Socket.IO gives its own option.

import { expect, test } from "vitest";
import { testHandler } from "../../testing.ts";
import { onWarning, type Warning } from "../../warnings.ts";
import { type SocketIoOptions, socketIo } from "../socket-io/socket-io.ts";

const page = "https://app.example";
const any = { "access-control-allow-origin": "*" };
const own = { "access-control-allow-origin": page, vary: "Origin" };
const cookies = { "access-control-allow-credentials": "true" };

/** What has to do with CORS in the answer to a poll, and to what asks for it. */
async function asked(options: Omit<SocketIoOptions, "path">, origin = page) {
  const app = await testHandler(socketIo({ path: "/socket.io/*", ...options }, () => undefined));
  const url = "/socket.io/?EIO=4&transport=polling";
  const polled = await app.session(url, { headers: { origin } });
  const wanted = { origin, "access-control-request-method": "POST", "access-control-request-headers": "x-own, content-type" };
  const preflight = await app.request(url, { method: "OPTIONS", headers: wanted });
  const headers = Object.entries((polled as { receive?: { headers?: object } }).receive?.headers ?? {});
  return { poll: Object.fromEntries(headers.filter(([name]) => /^access|^vary/.test(name))), preflight };
}

test.each<[string, Omit<SocketIoOptions, "path">, object]>([
  ["all", { cors: { origin: "*" } }, any],
  ["all, with credentials, which browsers refuse", { cors: { origin: "*", credentials: true } }, { ...any, ...cookies }],
  ["one", { cors: { origin: page } }, own],
  ["one, with credentials", { cors: { origin: page, credentials: true } }, { ...own, ...cookies }],
  ["a list", { cors: { origin: ["https://a.example", "https://*.example"] } }, own],
  ["another one", { cors: { origin: "https://other.example", credentials: true } }, { vary: "Origin" }],
  ["none", {}, { vary: "Origin" }],
  ["the origins of the handler", { origins: [page] }, own],
  ["all origins of the handler", { origins: ["*"] }, any],
  ["cors rather than the origins of the handler", { origins: ["*"], cors: { origin: page } }, own],
])("pages of %s", async (_, options, headers) => {
  const { poll, preflight } = await asked(options);
  expect(poll).toEqual(headers);
  expect(preflight.status).toBe(204);
  expect(Object.fromEntries(preflight.headers)).toEqual({
    ...headers,
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "x-own, content-type",
    "access-control-max-age": "600",
  });
});

const poll = "/socket.io/?EIO=4&transport=polling";

const warnings: Warning[] = [];
onWarning((...warning) => warnings.push(warning));

test.each<[string, string | undefined, Omit<SocketIoOptions, "path">, boolean]>([
  ["another site", page, {}, true],
  ["another site than those that are named", page, { cors: { origin: "https://other.example" } }, true],
  ["a site that is named", page, { cors: { origin: page } }, false],
  ["a file", "null", {}, true],
  ["its own host, behind a proxy that speaks TLS", "https://localhost", {}, false],
  ["its own host, as browsers ask", undefined, {}, false],
])("the log tells of a page of %s what lets it in, if it cannot read the answer", async (_, origin, options, isNamed) => {
  warnings.length = 0;
  const app = await testHandler(socketIo({ path: "/socket.io/*", ...options }, () => undefined));
  expect(await app.session(poll, { headers: origin === undefined ? {} : { origin } })).toMatchObject({ kind: "open" });
  const about = { origin, path: "/socket.io/" };
  expect(warnings).toEqual(isNamed ? [[{}, about, expect.stringContaining("xhr poll error")]] : []);
});

test("the answer that opens a session has the headers of onUpgrade, as a WebSocket's has", async () => {
  const headers = { "set-cookie": "seen=1; HttpOnly" };
  const app = await testHandler(socketIo({ path: "/socket.io/*", onUpgrade: () => ({ headers }) }, () => undefined));
  expect(await app.session(poll)).toMatchObject({ kind: "open", receive: { headers } });
});

test("a page of another site that may poll can read why onUpgrade refuses it", async () => {
  const onUpgrade = () => new Response("log in first", { status: 401, headers: { "www-authenticate": "Bearer" } });
  const app = await testHandler(socketIo({ path: "/socket.io/*", cors: { origin: page }, onUpgrade }, () => undefined));
  const refused = await app.request(poll, { headers: { origin: page } });
  expect([refused.status, await refused.text(), Object.fromEntries(refused.headers)]).toEqual([
    401,
    "log in first",
    { "content-type": "text/plain;charset=UTF-8", "www-authenticate": "Bearer", ...own },
  ]);
});

test("two polls at once end a session by a transport error: its client may come back to it", async () => {
  const app = await testHandler(socketIo({ path: "/socket.io/*" }, () => undefined));
  expect(await app.session(poll)).toMatchObject({ receive: { busy: { close: { code: 4012, last: "1" } } } });
});

test("what is refused is JSON by its type, too: HTTP clients read the code by it", async () => {
  const app = await testHandler(socketIo({ path: "/socket.io/*", cors: { origin: page } }, () => undefined));
  const refused = await app.request("/socket.io/?EIO=4&transport=x", { headers: { origin: page } });
  expect(Object.fromEntries(refused.headers)).toEqual({ "content-type": "application/json", ...own });
  const headers = { "content-type": "application/json" };
  const sent = { method: "POST", body: "\x01" };
  expect(await app.session(`${poll}&sid=a`, sent)).toMatchObject({ response: { status: 400, headers }, missing: { status: 400, headers } });
  expect(await app.session(poll)).toMatchObject({ receive: { busy: { response: { headers } }, missing: { headers } } });
});
