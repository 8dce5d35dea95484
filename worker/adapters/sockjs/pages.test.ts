// What is answered without a session, and to pages of which origins: through a handler, as its clients ask for it.

import { expect, test } from "vitest";
import { testHandler } from "../../testing.ts";
import { onWarning, type Warning } from "../../warnings.ts";
import { type SockJsOptions, sockjs, sockjsGreeting } from "./sockjs.ts";

const warnings: Warning[] = [];
onWarning((...warning) => warnings.push(warning));

function served(options: Omit<SockJsOptions<"/echo", undefined, undefined>, "path"> = {}) {
  return testHandler(sockjs({ path: "/echo", origins: ["*"], ...options }));
}

test("greets", async () => {
  const [app, root] = await Promise.all([served(), testHandler(sockjsGreeting("/echo"))]);
  for (const response of [await app.request("/echo/"), await root.request("/echo")]) {
    expect(response.headers.get("content-type")).toBe("text/plain; charset=UTF-8");
    expect(await response.text()).toBe("Welcome to SockJS!\n");
  }
});

test.each(["a", "a.html", "/", "a/a", "a/a/", "IFRAME.HTML", "iframe-/.html", "iframe", "/xhr", "a./a/xhr", "a/a./xhr", "a/a/toString"])(
  "/echo/%s is not found",
  async (path) => {
    const app = await served();
    expect((await app.request(`/echo/${path}`)).status).toBe(404);
    expect((await app.request(`/echo/${path}`, { method: "POST" })).status).toBe(404);
  },
);

test("info tells of WebSockets and cookies, and of another number each time", async () => {
  const app = await served({ jsessionid: true });
  const infos = await Promise.all([1, 2].map(async () => (await app.request("/echo/info")).json() as Promise<{ entropy: number }>));
  expect(infos[0]).toMatchObject({ websocket: true, cookie_needed: true, origins: ["*:*"] });
  expect(infos[0]?.entropy).not.toBe(infos[1]?.entropy);
  const without = await served({ websocket: false });
  expect(await (await without.request("/echo/info")).json()).toMatchObject({ websocket: false, cookie_needed: false });
});

test.each([
  ["https://app.example", ["https://app.example"]],
  ["https://a.app.example", ["https://*.app.example"]],
  ["null", ["*"]],
  // Without `origins`: pages of our own host, whatever a proxy before us makes of TLS.
  ["https://localhost", undefined],
])("a page of %s may connect where origins are %j", async (origin, origins) => {
  const app = await testHandler(sockjs({ path: "/echo", ...(origins && { origins }) }));
  const response = await app.request("/echo/info", { headers: { origin } });
  expect(response.status).toBe(200);
  expect(response.headers.get("access-control-allow-origin")).toBe(origin);
  expect(response.headers.get("access-control-allow-credentials")).toBe("true");
  expect(response.headers.get("cache-control")).toContain("no-store");
});

test.each([
  ["https://evil.example", ["https://app.example"]],
  ["https://evil.example", undefined],
  ["null", undefined],
  ["http://localhost:81", undefined],
])("a page of %s may not where origins are %j", async (origin, origins) => {
  const app = await testHandler(sockjs({ path: "/echo", ...(origins && { origins }) }));
  for (const method of ["GET", "OPTIONS"]) {
    const response = await app.request("/echo/info", { method, headers: { origin } });
    expect(response.status).toBe(403);
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  }
});

test.each([
  [
    "https://evil.example",
    undefined,
    "Origin is https://evil.example, allowed is localhost, the Host header, as the handler has no origins; if that is a page of yours, name its origin and the server's own there: HOSTS is not asked here",
  ],
  ["null", undefined, "Origin is null, allowed is localhost, the Host header, as the handler has no origins"],
  ["https://evil.example", ["https://a.example"], "Origin is https://evil.example, allowed is https://a.example (origins of this handler)"],
  ["https://evil.example", [], "Origin is https://evil.example, allowed is none (origins of this handler)"],
])("a page of %s that may not where origins are %j is told why, and so is the log", async (origin, origins, fault) => {
  const app = await testHandler(sockjs({ path: "/echo", ...(origins && { origins }) }));
  warnings.length = 0;
  const response = await app.request("/echo/info", { headers: { origin } });
  expect(await response.text()).toBe(`request.origin: ${fault}\n`);
  expect(warnings).toEqual([[{ code: "request.origin", route: "/echo" }, { fault }, "refused with 403"]]);
});

test("an origin is shown, but not at any length", async () => {
  const app = await served({ origins: [] });
  const response = await app.request("/echo/info", { headers: { origin: `https://${"x".repeat(10_000)}` } });
  expect((await response.text()).length).toBeLessThan(1_000);
});

test("a page that sends no Origin is known by its Referer", async () => {
  const app = await served({ origins: ["https://app.example"] });
  const ask = async (referer: string | undefined, site: string) =>
    (await app.request("/echo/info", { headers: { "sec-fetch-site": site, ...(referer && { referer }) } })).status;
  expect(await ask("https://app.example/page", "cross-site")).toBe(200);
  expect(await ask("https://evil.example/page", "cross-site")).toBe(403);
  expect(await ask(undefined, "cross-site")).toBe(403);
  expect(await ask(undefined, "same-origin")).toBe(200);
});

test("a preflight is answered for a year, with the headers that were asked for", async () => {
  const app = await served();
  const headers = { origin: "https://app.example", "access-control-request-headers": "a, b" };
  const response = await app.request("/echo/info", { method: "OPTIONS", headers });
  expect(response.status).toBe(204);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "access-control-allow-methods": "OPTIONS, GET",
    "access-control-allow-headers": "a, b",
    "access-control-max-age": "31536000",
    "cache-control": "public, max-age=31536000",
    expires: expect.stringMatching(/GMT$/),
  });
});

test("a wrong method is told the right one, and nothing else", async () => {
  const app = await served();
  const response = await app.request("/echo/info", { method: "POST" });
  expect(response.status).toBe(405);
  expect(response.headers.get("allow")).toBe("OPTIONS, GET");
  expect(response.headers.get("content-type")).toBeNull();
});

test.each(["iframe.html", "iframe-1.6.1.html", "iframe-.html?t=123"])("%s loads the client, and is cached", async (path) => {
  const app = await served({ clientUrl: "/sockjs.js", origins: ["https://a.example", "https://*.b.example"] });
  const page = await app.request(`/echo/${path}`);
  expect(await page.text()).toContain('<script src="/sockjs.js"></script>');
  expect(page.headers.get("cache-control")).toBe("public, max-age=31536000");
  // Else any page could use its visitors' cookies here.
  expect(page.headers.get("content-security-policy")).toBe("frame-ancestors https://a.example https://*.b.example");
  const etag = page.headers.get("etag") ?? "";
  const again = await app.request(`/echo/${path}`, { headers: { "if-none-match": etag } });
  expect([again.status, await again.text(), again.headers.get("content-type")]).toEqual([304, "", null]);
});

test("without origins, its own pages alone may embed the iframe", async () => {
  const app = await testHandler(sockjs({ path: "/echo" }));
  expect((await app.request("/echo/iframe.html")).headers.get("content-security-policy")).toBe("frame-ancestors 'self'");
});
