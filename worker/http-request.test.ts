import fc from "fast-check";
import { expect, test } from "vitest";
import type { RequestBody } from "../protocol/records.ts";
import { isClientFault } from "./failure.ts";
import type { App } from "./handler.ts";
import { type ClientRequest, httpRequestOf, isOfNoUrl, refusalOf } from "./http-request.ts";
import { upgradeRequestOf } from "./upgrade-request.ts";

const { signal } = new AbortController();

type Refusal = ReturnType<typeof refusalOf>;

function ask(given: Partial<RequestBody>, host?: string): ClientRequest | Refusal {
  const headers: RequestBody["headers"] = host === undefined ? [] : [["host", host]];
  const fixed = { method: "GET", path: "/public/1", query: "", headers, ip: "127.0.0.1", body: Buffer.from("body"), redelivered: false };
  try {
    return httpRequestOf({ ...fixed, ...given }, signal);
  } catch (error) {
    if (!isClientFault(error)) throw error;
    return refusalOf(error);
  }
}

function refused(answer: Request | Refusal): number | undefined {
  return answer instanceof Request ? undefined : answer.status;
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

test.each(["..", ".", "a/../b", "a/."])("%s is what no URL has below a path", (rest) => {
  expect(isOfNoUrl(rest)).toBe(true);
});

test.each([undefined, "", "a", "...", "a./.b", "/a//"])("%s may be what a URL has", (rest) => {
  expect(isOfNoUrl(rest)).toBe(false);
});

test.each(["TRACE", "CONNECT", "TRACK", "trace"])("%s is 405, which names what is allowed", (method) => {
  const answer = ask({ method }) as Refusal;
  expect(refused(answer)).toBe(405);
  expect(new Headers(answer.headers).get("allow")).toContain("POST");
});

test.each([
  ["bytes that are no UTF-8", { headers: [["x-a", "gr\uFFFD"]] }],
  ["a character that is no byte", { headers: [["x-a", "Łódź"]] }],
  ["a null character", { headers: [["x-a", "\0"]] }],
  ["a header without a name", { headers: [["", "a"]] }],
  ["a header's name that none can have", { headers: [["a b", "a"]] }],
  ["a method that none can have", { method: "G@T" }],
  ["a method that only looks like GET", { method: "get" }],
  ["no method", { method: "" }],
] satisfies Array<[string, Partial<RequestBody>]>)("what there can be no Request of is 400, and says why: %s", (_, given) => {
  const answer = ask(given as Partial<RequestBody>) as Refusal;
  expect(refused(answer)).toBe(400);
  expect(answer.text).toMatch(/^request\.malformed: \S/);
});

test("whatever a client sends, there is a Request of it or a refusal, and onUpgrade is told of it", () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }));
  const headers = fc.array(fc.tuple(fc.oneof(text, fc.constantFrom("host", "cookie", "content-type")), text));
  fc.assert(
    fc.property(fc.oneof(text, fc.constantFrom("GET", "POST")), text, text, headers, (method, rest, query, pairs) => {
      const path = `/${rest}`;
      expect([undefined, 400, 405]).toContain(refused(ask({ method, path, query, headers: pairs })));
      upgradeRequestOf({
        path,
        query,
        headers: Object.fromEntries(pairs),
        params: {},
        ip: "127.0.0.1",
        app: {} as App,
        signal,
        id: "",
        redelivered: false,
      });
    }),
    { numRuns: 500 },
  );
});

test.each([
  ["json", "application/json"],
  ["formData", "application/json"],
  ["formData", "multipart/form-data; boundary=x"],
] as const)("a body that %s cannot read is the client's fault (%s)", async (read, type) => {
  const request = ask({ method: "POST", headers: [["content-type", type]] }) as ClientRequest;
  const thrown = await request[read]().catch((error: unknown) => error);
  expect(isClientFault(request.clientFaultOf(thrown))).toBe(true);
  // Not that it is read again.
  const again = await request[read]().catch((error: unknown) => error);
  expect(request.clientFaultOf(again)).toBe(again);
  expect(isClientFault(again)).toBe(false);
});

test("what a handler throws itself is not the client's fault", async () => {
  const request = ask({ method: "POST" }) as ClientRequest;
  await request.json().catch(() => undefined);
  const own = new SyntaxError("mine");
  expect(request.clientFaultOf(own)).toBe(own);
  expect(request.clientFaultOf(undefined)).toBe(undefined);
});

test.each(["GET", "HEAD"])("%s comes without its body", async (method) => {
  expect(await (ask({ method }) as Request).text()).toBe("");
});

test.each(["POST", "PATCH", "DELETE"])("%s comes with its body", async (method) => {
  const request = ask({ method }) as Request;
  expect([request.method, await request.text()]).toEqual([method, "body"]);
});

test("the URL has the scheme that a trusted proxy has told the gateway", () => {
  const urlOf = (proto: string) =>
    (
      ask({
        headers: [
          ["host", "example.com"],
          ["x-forwarded-proto", proto],
        ],
      }) as ClientRequest
    ).url;
  expect(urlOf("https")).toBe("https://example.com/public/1");
  expect(urlOf("http")).toBe("http://example.com/public/1");
});
