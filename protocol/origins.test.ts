import { describe, expect, test } from "vitest";
import { isHostPattern, isOriginPattern, matchesHost, matchesOrigin, parseOrigin } from "./origins.ts";

test.each([
  ["https://example.com", true],
  ["https://example.com:8443", true],
  ["https://*.example.com", true],
  ["https://*.example.com:8443", true],
  ["http://[::1]:8080", true],
  ["capacitor://localhost", true],
  ["*", true],
  ["example.com", false],
  ["*.example.com", false],
  ["https://example.com/", false],
  ["https://example.com/chat", false],
  ["https://user@example.com", false],
  ["https://*", false],
  ["https://a.*.example.com", false],
  ["https://*.*.example.com", false],
  ["https://a*.example.com", false],
  ["https://example.com:99999", false],
  ["null", false],
  ["", false],
])("%j may stand among origins: %s", (text, isOne) => {
  expect(isOriginPattern(text)).toBe(isOne);
});

test.each([
  ["example.com", true],
  ["example.com:8443", true],
  ["*.example.com", true],
  ["[::1]:8080", true],
  ["192.0.2.1", true],
  ["localhost", true],
  ["https://example.com", false],
  ["example.com/", false],
  ["*", false],
  ["a b", false],
  ["", false],
])("%j may stand among hosts: %s", (text, isOne) => {
  expect(isHostPattern(text)).toBe(isOne);
});

describe("a wildcard", () => {
  test.each([
    ["https://a.example.com", true],
    ["https://a.b.example.com", true],
    ["https://A.Example.COM:443", true],
    ["https://a.example.com.", true],
    ["https://example.com", false],
    ["https://.example.com", false],
    ["https://evilexample.com", false],
    ["https://a.example.com.evil", false],
    ["https://a.example.com:8443", false],
    ["http://a.example.com", false],
    ["null", false],
  ])("stands for names below: %s %s", (origin, isMatch) => {
    expect(matchesOrigin("https://*.example.com", origin)).toBe(isMatch);
  });

  test("of hosts leaves the scheme open, and only http and https have hosts", () => {
    const origin = (text: string) => parseOrigin(text) ?? expect.fail(text);
    expect(matchesHost("*.example.com", origin("https://a.example.com"))).toBe(true);
    expect(matchesHost("*.example.com", origin("http://a.example.com"))).toBe(true);
    expect(matchesHost("*.example.com", origin("capacitor://a.example.com"))).toBe(false);
    expect(matchesHost("*.example.com:8443", origin("https://a.example.com:8443"))).toBe(true);
    expect(matchesHost("example.com:443", origin("https://example.com"))).toBe(true);
    expect(matchesHost("example.com:443", origin("http://example.com"))).toBe(false);
  });
});
