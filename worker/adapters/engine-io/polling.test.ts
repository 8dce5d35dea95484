// Which pages of other sites may poll, and whether with cookies: as npm's `cors` does it, to which Socket.IO gives its own option.

import { expect, test } from "vitest";
import { testHandler } from "../../testing.ts";
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
