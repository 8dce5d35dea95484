import fc from "fast-check";
import { expect, test } from "vitest";
import { AddressList } from "./address-list.ts";
import { identified, whyUnnamed } from "./client-identity.ts";
import type { Incoming } from "./uws/request.ts";

const proxies = new AddressList("127.0.0.1, 10.0.0.0/8");

type Headers = Readonly<Record<string, string>>;

function incomingOf(headers: Headers, ip = "127.0.0.1", proxiedIp?: string): Incoming {
  const lines = Object.entries({ host: "inner", ...headers });
  return { method: "GET", path: "/", query: "", headers: lines, ip, proxiedIp };
}

/** Address, host and scheme; or the fault alone. */
function see(headers: Headers, ip?: string, proxiedIp?: string): unknown {
  const { ip: client, headers: seen, fault } = identified(incomingOf(headers, ip, proxiedIp), proxies);
  if (fault !== undefined) return fault;
  const value = (name: string) => seen.find(([key]) => key === name)?.[1];
  return [client, value("host"), value("x-forwarded-proto")];
}

const usual = { "x-forwarded-for": "192.0.2.7", "x-forwarded-host": "example.com", "x-forwarded-proto": "https" };

test.each<[string, Headers, [string, string, string | undefined]]>([
  ["X-Forwarded-For, -Host and -Proto", usual, ["192.0.2.7", "example.com", "https"]],
  ["Forwarded", { forwarded: 'for="192.0.2.7:4711";host="example.com";proto=https' }, ["192.0.2.7", "example.com", "https"]],
  ["both, saying the same", { ...usual, forwarded: "for=192.0.2.7;host=example.com;proto=wss" }, ["192.0.2.7", "example.com", "https"]],
  ["a proxy that says nothing", {}, ["127.0.0.1", "inner", undefined]],
  ["a proxy that says only the scheme", { "x-forwarded-proto": "https" }, ["127.0.0.1", "inner", "https"]],
  ["a scheme that is none", { ...usual, "x-forwarded-proto": "ftp" }, ["192.0.2.7", "example.com", undefined]],
  [
    "two proxies, each of which adds the same host",
    { "x-forwarded-for": "192.0.2.7, 10.0.0.1", "x-forwarded-host": "evil.example, example.com, example.com" },
    ["192.0.2.7", "example.com", undefined],
  ],
  [
    "two proxies, the second of which passes the host on",
    { "x-forwarded-for": "192.0.2.7, 10.0.0.1", "x-forwarded-host": "example.com" },
    ["192.0.2.7", "example.com", undefined],
  ],
  [
    "two proxies with Forwarded, behind a client that lies",
    { forwarded: "for=198.51.100.1;host=evil.example, for=192.0.2.7;host=example.com, for=10.0.0.1;proto=http;host=middle" },
    ["192.0.2.7", "example.com", "http"],
  ],
  ["a client that adds a host", { ...usual, "x-forwarded-host": "evil.example, example.com" }, ["192.0.2.7", "example.com", "https"]],
])("a trusted proxy is believed: %s", (_, headers, seen) => {
  expect(see(headers)).toEqual(seen);
});

test.each<[string, Headers]>([
  ["another address", { ...usual, forwarded: "for=198.51.100.1" }],
  ["another host", { ...usual, forwarded: "for=192.0.2.7;host=evil.example" }],
  ["another scheme", { ...usual, forwarded: "for=192.0.2.7;proto=http" }],
  ["no address", { ...usual, forwarded: "host=example.com" }],
])("a client that sends the header that its proxy does not write is refused: %s", (_, headers) => {
  expect(see(headers)).toContain("contradicts");
});

test.each<[string, Headers]>([
  ["host", { forwarded: "for=203.0.113.1;host=evil.example", "x-forwarded-host": "example.com" }],
  ["scheme", { forwarded: "for=203.0.113.1;proto=http", "x-forwarded-proto": "https" }],
])("Forwarded that contradicts the %s is refused where nobody tells X-Forwarded-For, too", (_, headers) => {
  expect(see(headers)).toContain("contradicts");
});

test("Forwarded tells the client where the other headers tell host and scheme alone", () => {
  const headers = { forwarded: "for=203.0.113.1", "x-forwarded-host": "example.com", "x-forwarded-proto": "https" };
  expect(see(headers)).toEqual(["203.0.113.1", "example.com", "https"]);
});

// 203.0.113.1 asks 10.0.0.2, which asks 10.0.0.1, which asks the gateway.
test.each<[string, Headers]>([
  ["hosts: the client's, and the first proxy's", { "x-forwarded-host": "evil.example, example.com" }],
  ["hosts: the first proxy's, and what it has called the second one", { "x-forwarded-host": "example.com, inner.example" }],
  ["hosts, more than proxies", { "x-forwarded-host": "evil.example, evil.example, example.com" }],
  ["schemes", { "x-forwarded-proto": "http, https" }],
])("behind two proxies, nobody knows who has said which of several %s", (_, headers) => {
  expect(see({ ...headers, "x-forwarded-for": "203.0.113.1, 10.0.0.2" }, "10.0.0.1")).toContain("values of several proxies");
});

test("behind two proxies, no client names the host that a handler sees, however many it sends", () => {
  const firstAdds = (sent: readonly string[]) => [...sent, "example.com"];
  const seconds = [(hosts: readonly string[]) => hosts, (hosts: readonly string[]) => [...hosts, "example.com"], () => ["example.com"]];
  fc.assert(
    fc.property(fc.array(fc.domain()), fc.array(address), fc.constantFrom(...seconds), (sent, addresses, secondPasses) => {
      const headers = {
        "x-forwarded-for": [...addresses, "203.0.113.1", "10.0.0.2"].join(", "),
        "x-forwarded-host": secondPasses(firstAdds(sent)).join(", "),
      };
      const seen = see(headers, "10.0.0.1");
      if (typeof seen !== "string") expect(seen).toEqual(["203.0.113.1", "example.com", undefined]);
    }),
  );
});

test("a Forwarded that is malformed is refused", () => {
  expect(see({ forwarded: 'for=", for=192.0.2.7' })).toContain("malformed");
});

test.each<[string, Headers, string | undefined]>([
  ["it has said it", usual, undefined],
  ["with Forwarded", { forwarded: "for=192.0.2.7" }, undefined],
  ["it says nothing", { "x-forwarded-proto": "https" }, "X-Forwarded-For is missing"],
  ["it does not know", { "x-forwarded-for": "unknown" }, "X-Forwarded-For, or Forwarded, names trusted proxies only, or nobody"],
  ["it names itself", { "x-forwarded-for": "127.0.0.1" }, "X-Forwarded-For, or Forwarded, names trusted proxies only, or nobody"],
])("whether a trusted proxy names the client: %s", (_, headers, why) => {
  const incoming = incomingOf(headers);
  expect(whyUnnamed(incoming, identified(incoming, proxies).ip, proxies)).toBe(why);
});

test("a PROXY header is believed as its sender is, and what comes behind it as the one whom it names is", () => {
  expect(see(usual, "127.0.0.1", "198.51.100.9")).toEqual(["198.51.100.9", "inner", undefined]);
  expect(see(usual, "127.0.0.1", "10.0.0.1")).toEqual(["192.0.2.7", "example.com", "https"]);
  expect(see(usual, "198.51.100.9", "192.0.2.7")).toEqual(["198.51.100.9", "inner", undefined]);
});

test("handlers see of the proxies' headers what trusted proxies say, and nothing that the client has sent", () => {
  const forged = {
    "x-forwarded-for": "6.6.6.6, 203.0.113.1",
    "x-forwarded-host": "evil.example, example.com",
    "x-forwarded-proto": "http, https",
    "x-forwarded-port": "6666",
    "x-forwarded-ssl": "off",
    "x-real-ip": "6.6.6.6",
    cookie: "a=b",
  };
  const seenOf = (headers: Headers) => identified(incomingOf(headers), proxies).headers;
  const expected = [
    ["host", "example.com"],
    ["cookie", "a=b"],
    ["x-forwarded-for", "203.0.113.1"],
    ["x-forwarded-host", "example.com"],
    ["x-forwarded-proto", "https"],
  ];
  expect(seenOf(forged)).toEqual(expected);
  const forwarded = "for=6.6.6.6;host=evil.example, for=203.0.113.1;host=example.com;proto=https";
  expect(seenOf({ cookie: "a=b", forwarded, "x-real-ip": "6.6.6.6" })).toEqual(expected);
  expect(seenOf({ "x-real-ip": "6.6.6.6" })).toEqual([["host", "inner"]]);
});

const address = fc.constantFrom("192.0.2.7", "198.51.100.1", "10.0.0.1", "127.0.0.1", "2001:db8::7", "[2001:db8::7]:80", "unknown", "");
const anything = fc.record(
  {
    forwarded: fc.oneof(
      fc.string(),
      address.map((text) => `for="${text}"`),
    ),
    "x-forwarded-for": fc.oneof(fc.string(), fc.array(address).map(String)),
    "x-forwarded-host": fc.string(),
    "x-forwarded-proto": fc.string(),
    "x-forwarded-port": fc.string(),
    "x-real-ip": address,
  },
  { requiredKeys: [] },
);

test("nobody else is believed, and no handler sees what was said", () => {
  fc.assert(
    fc.property(anything, (headers) => {
      const seen = identified(incomingOf(headers, "192.0.2.9", "198.51.100.1"), proxies);
      const isForwarded = headers.forwarded !== undefined || headers["x-forwarded-for"] !== undefined;
      expect(seen).toEqual({
        method: "GET",
        path: "/",
        query: "",
        headers: [["host", "inner"]],
        ip: "192.0.2.9",
        isForwarded,
        fault: undefined,
      });
    }),
  );
});

test("who says nothing of the kind is taken as it came: many may wait, and nothing of them is copied", () => {
  const incoming = incomingOf({ cookie: "a=b" }, "192.0.2.9");
  expect(identified(incoming, proxies)).toBe(incoming);
});

test("whatever a client sends: its proxy's word counts, or it is refused", () => {
  fc.assert(
    fc.property(anything, ({ "x-forwarded-for": sent, ...headers }) => {
      const { ip, fault } = identified(incomingOf({ ...headers, "x-forwarded-for": `${sent ?? ""}, 192.0.2.7` }), proxies);
      if (fault === undefined) expect(ip).toBe("192.0.2.7");
    }),
  );
});

test("what comes from the client's side does not change the host that the first proxy adds", () => {
  fc.assert(
    fc.property(fc.array(address), fc.array(fc.domain()), (addresses, hosts) => {
      const headers = {
        "x-forwarded-for": [...addresses, "192.0.2.7"].join(", "),
        "x-forwarded-host": [...hosts, "example.com"].join(", "),
      };
      expect(see(headers)).toEqual(["192.0.2.7", "example.com", undefined]);
    }),
  );
});
