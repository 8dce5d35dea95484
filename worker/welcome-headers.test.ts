import { expect, test } from "vitest";
import { welcomeHeaders } from "./welcome-headers.ts";

test("what a handler adds to the handshake's answer is taken over", () => {
  expect(welcomeHeaders({ "Set-Cookie": "a=1", "X-B": "2" })).toEqual([
    ["set-cookie", "a=1"],
    ["x-b", "2"],
  ]);
  expect(welcomeHeaders(undefined)).toEqual([]);
});

test.each([
  "Sec-WebSocket-Protocol",
  "sec-websocket-accept",
  "Sec-WebSocket-Extensions",
  "Upgrade",
  "Connection",
  "Content-Length",
  "Transfer-Encoding",
])("%s belongs to the handshake", (name) => {
  expect(() => welcomeHeaders({ [name]: "1" })).toThrow(expect.objectContaining({ code: "upgrade.headers" }));
});

test("a line break cannot begin another header", () => {
  expect(() => welcomeHeaders({ "x-a": "1\r\nx-b: 2" })).toThrow(TypeError);
});
