import { expect, test } from "vitest";
import { isProxyList, TrustedProxies } from "./trusted-proxies.ts";

const proxies = "127.0.0.1, 10.0.0.0/8,2001:db8:1::/48";

test.each([
  ["no proxy", "192.0.2.7", undefined, "192.0.2.7"],
  ["one proxy", "127.0.0.1", "192.0.2.7", "192.0.2.7"],
  ["two proxies", "127.0.0.1", "192.0.2.7, 10.9.8.7", "192.0.2.7"],
  ["a client that lies about who it is", "127.0.0.1", "198.51.100.1, 192.0.2.7", "192.0.2.7"],
  ["a client that pretends to be a proxy of ours", "127.0.0.1", "198.51.100.1, 10.0.0.1, 192.0.2.7", "192.0.2.7"],
  ["nobody whom we trust", "192.0.2.9", "192.0.2.7", "192.0.2.9"],
  ["a client behind all of our proxies that is one of them", "127.0.0.1", "10.0.0.5", "10.0.0.5"],
  ["a proxy that does not tell", "127.0.0.1", undefined, "127.0.0.1"],
  ["a proxy that knows none", "127.0.0.1", "192.0.2.7, unknown", "127.0.0.1"],
  ["garbage", "127.0.0.1", "192.0.2.7, <script>", "127.0.0.1"],
  ["nothing", "127.0.0.1", " , ", "127.0.0.1"],
  ["ports", "10.0.0.1", "192.0.2.7:4711", "192.0.2.7"],
  ["IPv6 with a port", "2001:db8:1::9", "[2001:db8:2::7]:4711", "2001:db8:2::7"],
  ["IPv6 as uWebSockets.js writes it", "2001:0db8:0001:0000:0000:0000:0000:0009", "2001:db8:2:0::7", "2001:db8:2::7"],
  ["IPv4 on an IPv6 socket", "0000:0000:0000:0000:0000:ffff:7f00:0001", "192.0.2.7", "192.0.2.7"],
])("%s", (_, peer, forwarded, client) => {
  expect(new TrustedProxies(proxies).clientOf(peer, forwarded)).toBe(client);
});

test("without trusted proxies nobody is believed, and an address has one text", () => {
  const nobody = new TrustedProxies("");
  expect(nobody.clientOf("127.0.0.1", "192.0.2.7")).toBe("127.0.0.1");
  expect(nobody.clientOf("0000:0000:0000:0000:0000:ffff:7f00:0001", undefined)).toBe("127.0.0.1");
  expect(nobody.clientOf("0000:0000:0000:0000:0000:0000:0000:0001", undefined)).toBe("::1");
});

test.each(["", "127.0.0.1", "10.0.0.0/8, ::1", "fd00::/8"])("a list: %s", (list) => expect(isProxyList(list)).toBe(true));
test.each(["localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0/8", "::1/129", "10.0.0.0/x"])("no list: %s", (list) =>
  expect(isProxyList(list)).toBe(false),
);
