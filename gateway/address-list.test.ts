import { expect, test } from "vitest";
import { AddressList, isAddressList, normalizedAddress } from "./address-list.ts";

test("a list has its addresses, and those of its networks", () => {
  const list = new AddressList("127.0.0.1, 10.0.0.0/8,2001:db8::/48");
  const asked = ["127.0.0.1", "127.0.0.2", "10.255.0.1", "2001:db8::7", "2001:db8:1::7", "", "unknown"];
  expect(asked.filter((address) => list.has(address))).toEqual(["127.0.0.1", "10.255.0.1", "2001:db8::7"]);
  expect(new AddressList(" ").has("127.0.0.1")).toBe(false);
});

test("an address has one text", () => {
  expect(normalizedAddress("0000:0000:0000:0000:0000:ffff:7f00:0001")).toBe("127.0.0.1");
  expect(normalizedAddress("0000:0000:0000:0000:0000:0000:0000:0001")).toBe("::1");
});

test.each(["", "127.0.0.1", "10.0.0.0/8, ::1", "fd00::/8"])("a list: %s", (list) => expect(isAddressList(list)).toBe(true));
test.each(["localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0/8", "::1/129", "10.0.0.0/x"])("no list: %s", (list) =>
  expect(isAddressList(list)).toBe(false),
);
