import { expect, test } from "vitest";
import { hostsOf, isHostList, isHostOfAdmin } from "./hosts.ts";

test("a list of hosts may have blanks and empty entries", () => {
  expect(hostsOf(" example.com , *.example.com:8443,,")).toEqual(["example.com", "*.example.com:8443"]);
  expect(isHostList(" example.com , *.example.com:8443,,")).toBe(true);
  expect(isHostList("example.com, https://example.com")).toBe(false);
  expect(hostsOf("")).toEqual([]);
});

test.each([
  [undefined, true],
  ["127.0.0.1:9090", true],
  ["127.0.0.1", true],
  ["[::1]:9090", true],
  ["192.0.2.1:9090", true],
  ["localhost:9090", true],
  ["LOCALHOST", true],
  ["gateway-1:9090", true],
  ["admin.example.com:9090", true],
  ["a.b.example.org", true],
  ["gw.internal.example", true],
  ["evil.example:9090", false],
  ["localhost.evil.example", false],
  ["127.0.0.1.evil.example:9090", false],
  ["example.org", false],
  ["evil.example.", false],
  ["", false],
  ["a b", false],
  ["user@localhost", false],
])("the admin port answers to Host: %s %s", (host, isOurs) => {
  expect(isHostOfAdmin(host, ["127.0.0.1", "gw.internal.example", "admin.example.com:443", "*.example.org"])).toBe(isOurs);
});
