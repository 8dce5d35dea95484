import { describe, expect, test } from "vitest";
import { isOriginChecked, originFault } from "./origin.ts";
import type { Incoming } from "./uws/request.ts";

function asks(host: string, ...origins: string[]): Incoming {
  return {
    method: "GET",
    path: "/",
    query: "",
    ip: "",
    headers: [["host", host], ...origins.map((origin) => ["origin", origin] as const)],
  };
}

describe("without HOSTS, pages of the Host header's host are allowed", () => {
  test.each([
    ["x", "https://x", true],
    ["x", "http://x", true],
    ["x:443", "https://x", true],
    ["x", "https://x:443", true],
    ["x:80", "http://x", true],
    ["x", "http://x:80", true],
    ["X", "http://x", true],
    ["x", "http://X", true],
    ["x.", "http://x", true],
    ["x:8080", "http://x:8080", true],
    ["[::1]:8080", "http://[::1]:8080", true],
    ["[0:0::1]", "http://[::1]", true],
    ["xn--bcher-kva.example", "https://bücher.example", true],
    ["x", "http://y", false],
    ["x", "http://x:8080", false],
    ["x:8080", "http://x", false],
    ["x:80", "https://x", false],
    ["x:443", "http://x", false],
    ["x", "null", false],
    ["x", "", false],
    ["x", "x", false],
    ["x", "file://x", false],
    ["x", "http://x/", false],
    ["x", "http://y@x", false],
    ["y@x", "http://x", false],
    ["x/y", "http://x", false],
    ["", "http://x", false],
    ["*.x", "http://y.x", false],
  ])("host %s, origin %s: %s", (host, origin, isAllowed) => {
    expect(originFault(asks(host, origin), {}, []) === undefined).toBe(isAllowed);
  });
});

describe("with HOSTS, pages of these are, whatever the Host header says", () => {
  test.each([
    ["https://example.com", true],
    ["http://example.com", true],
    ["https://chat.example.com:8443", true],
    ["https://example.com:8443", false],
    ["https://example.com.evil", false],
    ["https://proxy", false],
    ["null", false],
  ])("origin %s: %s", (origin, isAllowed) => {
    expect(originFault(asks("proxy", origin), {}, ["example.com", "*.example.com:8443"]) === undefined).toBe(isAllowed);
  });
});

test("a program that sends no Origin is let in, unless the route requires one; two are none", () => {
  expect(originFault(asks("x"), {}, [])).toBe(undefined);
  expect(originFault(asks("x"), { origins: ["https://a.example"] }, ["a.example"])).toBe(undefined);
  expect(originFault(asks("x"), { requireOrigin: true }, [])).toBe("no Origin header came, and this handler requires one (requireOrigin)");
  expect(originFault(asks("x"), { requireOrigin: true, origins: ["*"] }, [])).toContain("requireOrigin");
  expect(originFault(asks("x", "http://x"), { requireOrigin: true }, [])).toBe(undefined);
  expect(originFault(asks("x", "http://x", "http://x"), {}, [])).toBe("more than one Origin header came");
});

test.each([
  ["https://a.example", true],
  ["https://a.example:443", true],
  ["https://A.example", true],
  ["https://deep.below.b.example", true],
  ["capacitor://localhost", true],
  ["http://a.example", false],
  ["https://a.example:8443", false],
  ["https://b.example", false],
  ["https://x", false],
  ["null", false],
])("a route's origins are compared as origins, and replace the hosts: %s %s", (origin, isNamed) => {
  const origins = ["https://a.example", "https://*.b.example", "capacitor://localhost"];
  expect(originFault(asks("x", origin), { origins }, ["x"]) === undefined).toBe(isNamed);
});

test("* names any, and an empty list none", () => {
  expect(originFault(asks("x", "null"), { origins: ["*"] }, [])).toBe(undefined);
  expect(originFault(asks("x", "http://x"), { origins: [] }, [])).toBe("Origin is http://x, allowed is none (origins of this handler)");
});

test("a fault names what came, what is allowed, and the setting", () => {
  const origin = "https://chat.example.com";
  expect(originFault(asks("127.0.0.1:8080", origin), {}, [])).toBe(
    "Origin is https://chat.example.com, allowed is 127.0.0.1:8080, the Host header, as HOSTS is not set; if that is this site, have the proxy pass Host on, or set HOSTS=chat.example.com; if it is another one, name both in the handler's origins",
  );
  expect(originFault(asks("127.0.0.1:8080", "null"), {}, [])).toBe(
    "Origin is null, allowed is 127.0.0.1:8080, the Host header, as HOSTS is not set",
  );
  expect(originFault(asks("h", origin), {}, ["a.example", "*.b.example"])).toBe(
    "Origin is https://chat.example.com, allowed are a.example, *.b.example (HOSTS)",
  );
  expect(originFault(asks("h", origin), { origins: ["https://a.example"] }, ["chat.example.com"])).toBe(
    "Origin is https://chat.example.com, allowed is https://a.example (origins of this handler)",
  );
});

test("what a client sent is shown as text, and not at any length", () => {
  const fault = originFault(asks("h\u001b[31m", `https://${"x".repeat(10_000)}`), {}, []) ?? "";
  expect(fault).toContain(String.raw`"h\u001b[31m"`);
  expect(fault.length).toBeLessThan(1_000);
});

test.each([
  ["GET", false],
  ["HEAD", false],
  ["OPTIONS", false],
  ["POST", true],
  ["PUT", true],
  ["PATCH", true],
  ["DELETE", true],
  ["PURGE", true],
])("the Origin of a plain %s is checked: %s", (method, isChecked) => {
  expect(isOriginChecked({ ...asks("x"), method })).toBe(isChecked);
});
