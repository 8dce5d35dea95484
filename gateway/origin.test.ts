import { expect, test } from "vitest";
import { isAllowedOrigin } from "./origin.ts";
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
])("a page at host %s with origin %s is of this host: %s", (host, origin, isSame) => {
  expect(isAllowedOrigin(asks(host, origin), undefined)).toBe(isSame);
});

test("a program that sends no Origin is let in, two are none", () => {
  expect(isAllowedOrigin(asks("x"), undefined)).toBe(true);
  expect(isAllowedOrigin(asks("x", "http://x", "http://y"), undefined)).toBe(false);
});

test.each([
  ["https://a.example", true],
  ["https://a.example:443", true],
  ["https://A.example", true],
  ["capacitor://localhost", true],
  ["http://a.example", false],
  ["https://a.example:8443", false],
  ["https://b.example", false],
  ["https://x", false],
  ["null", false],
])("named origins are compared as origins: %s %s", (origin, isNamed) => {
  expect(isAllowedOrigin(asks("x", origin), ["https://a.example", "capacitor://localhost"])).toBe(isNamed);
});

test("* names any", () => {
  expect(isAllowedOrigin(asks("x", "null"), ["*"])).toBe(true);
});
