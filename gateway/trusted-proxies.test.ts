import { expect, test } from "vitest";
import { entriesOf } from "../process/settings.ts";
import { AddressList } from "./address-list.ts";
import { traceClient } from "./trusted-proxies.ts";

const proxies = "127.0.0.1, 10.0.0.0/8,2001:db8:1::/48";

test.each([
  ["no proxy", "192.0.2.7", "", "192.0.2.7", 0],
  ["one proxy", "127.0.0.1", "192.0.2.7", "192.0.2.7", 1],
  ["two proxies", "127.0.0.1", "192.0.2.7, 10.9.8.7", "192.0.2.7", 2],
  ["a client that lies about who it is", "127.0.0.1", "198.51.100.1, 192.0.2.7", "192.0.2.7", 1],
  ["a client that pretends to be a proxy of ours", "127.0.0.1", "198.51.100.1, 10.0.0.1, 192.0.2.7", "192.0.2.7", 1],
  ["nobody whom we trust", "192.0.2.9", "192.0.2.7", "192.0.2.9", 0],
  ["a client behind all of our proxies that is one of them", "127.0.0.1", "10.0.0.5", "10.0.0.5", 1],
  ["a proxy that does not tell", "127.0.0.1", "", "127.0.0.1", 0],
  ["a proxy that knows none", "127.0.0.1", "192.0.2.7, unknown", "127.0.0.1", 1],
  ["garbage", "127.0.0.1", "192.0.2.7, <script>", "127.0.0.1", 1],
  ["ports", "10.0.0.1", "192.0.2.7:4711", "192.0.2.7", 1],
  ["IPv6 with a port", "2001:db8:1::9", "[2001:db8:2::7]:4711", "2001:db8:2::7", 1],
  ["IPv6 as uWebSockets.js writes it", "2001:0db8:0001:0000:0000:0000:0000:0009", "2001:db8:2:0::7", "2001:db8:2::7", 1],
  ["IPv4 on an IPv6 socket", "0000:0000:0000:0000:0000:ffff:7f00:0001", "192.0.2.7", "192.0.2.7", 1],
])("%s", (_, peer, forwarded, client, believed) => {
  expect(traceClient(peer, entriesOf(forwarded), new AddressList(proxies))).toEqual({ client, believed });
});

test("without trusted proxies nobody is believed", () => {
  expect(traceClient("127.0.0.1", ["192.0.2.7"], new AddressList(""))).toEqual({ client: "127.0.0.1", believed: 0 });
});
