import { expect, test } from "vitest";
import type { RequestBody } from "../protocol/records.ts";
import { httpRequestOf } from "./http-request.ts";

const { signal } = new AbortController();

function ask(given: Partial<RequestBody>, host?: string): Request | Response {
  const headers: RequestBody["headers"] = host === undefined ? [] : [["host", host]];
  const fixed = { method: "GET", path: "/public/1", query: "", headers, ip: "127.0.0.1", body: Buffer.from("body"), redelivered: false };
  return httpRequestOf({ ...fixed, ...given }, signal);
}

function refused(answer: Request | Response): number | undefined {
  return answer instanceof Response ? answer.status : undefined;
}

test.each([
  [undefined, "http://localhost/public/1"],
  ["", "http://localhost/public/1"],
  ["example.com", "http://example.com/public/1"],
  ["example.com:8080", "http://example.com:8080/public/1"],
  ["example.com:", "http://example.com/public/1"],
  ["a_b", "http://a_b/public/1"],
  ["127.0.0.1:1", "http://127.0.0.1:1/public/1"],
  ["[::1]", "http://[::1]/public/1"],
  ["[::ffff:127.0.0.1]:8080", "http://[::ffff:7f00:1]:8080/public/1"],
])("the URL has the host that was asked for: %s", (host, url) => {
  expect(ask({}, host)).toMatchObject({ url });
});

test.each([
  "x/admin/secret?",
  "x/admin/secret#",
  "x\\admin\\secret?",
  "/",
  "?",
  "a b",
  "u:p@h",
  "h@",
  ":80",
  "h:port",
  "h:99999",
  "h:1:2",
  "a%2fb",
  "::1",
  "[::1",
  "[::g]",
  "[::1]x",
  "a, b",
  "grüß",
])("a Host that is not a host and a port is 400: %s", (host) => {
  expect(refused(ask({}, host))).toBe(400);
});

test.each([
  ["/public/1", "a=1&b=%20"],
  ["/public/1", "?a#b"],
  ["/public/a%2Fb", ""],
  ["/public/a#b?c", ""],
  ["/public/{é}", ""],
  ["//other/public", ""],
  ["/", ""],
])("the URL's path is the one that was matched, and its query what stood behind it: %s %s", (path, query) => {
  const { url } = ask({ path, query }, "h") as Request;
  expect(decodeURIComponent(new URL(url).pathname)).toBe(decodeURIComponent(path));
  expect(decodeURIComponent(new URL(url).search)).toBe(query === "" ? "" : `?${decodeURIComponent(query)}`);
});

test.each(["/public/../admin", "/public/%2e%2E/admin", "/public/.", "/public/..", "/public\\admin"])(
  "a path that a URL parser makes another one of is 400: %s",
  (path) => {
    expect(refused(ask({ path }, "h"))).toBe(400);
  },
);

test.each(["TRACE", "CONNECT", "TRACK"])("%s is 405, which names what is allowed", (method) => {
  const answer = ask({ method });
  expect(refused(answer)).toBe(405);
  expect(answer.headers.get("allow")).toContain("POST");
});

test.each(["GET", "HEAD"])("%s comes without its body", async (method) => {
  expect(await (ask({ method }) as Request).text()).toBe("");
});

test.each(["POST", "PATCH", "DELETE"])("%s comes with its body", async (method) => {
  const request = ask({ method }) as Request;
  expect([request.method, await request.text()]).toEqual([method, "body"]);
});
