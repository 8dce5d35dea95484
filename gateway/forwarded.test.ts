import fc from "fast-check";
import { expect, test } from "vitest";
import { parseForwarded } from "./forwarded.ts";

const element = (of: object) => ({ for: undefined, host: undefined, proto: undefined, ...of });

// The first ones are those of RFC 7239, section 4.
test.each([
  ['for="_gazonk"', [{ for: "_gazonk" }]],
  ['For="[2001:db8:cafe::17]:4711"', [{ for: "[2001:db8:cafe::17]:4711" }]],
  ["for=192.0.2.60;proto=http;by=203.0.113.43", [{ for: "192.0.2.60", proto: "http" }]],
  ["for=192.0.2.43, for=198.51.100.17", [{ for: "192.0.2.43" }, { for: "198.51.100.17" }]],
  ["for=[::1]:80", [{ for: "[::1]:80" }]],
  ["HOST=example.com:8443 ; Proto=https", [{ host: "example.com:8443", proto: "https" }]],
  ['for="a\\"b, c;d"', [{ for: 'a"b, c;d' }]],
  ["secret=x", [{}]],
  [",, for=192.0.2.7;,", [{ for: "192.0.2.7" }]],
  ["", []],
])("%s", (header, elements) => expect(parseForwarded(header)).toEqual(elements.map(element)));

test.each(['for="', 'for="192.0.2.7', 'for="a"b', "for", "for=", "=a", "for=a for=b", "for=a;for=b", "for=<a>", 'for="a", for="'])(
  "malformed: %s",
  (header) => expect(parseForwarded(header)).toBeUndefined(),
);

test("what a client has sent cannot change what a proxy adds to it", () => {
  const text = fc.string({ unit: fc.constantFrom(...'for=host;," \\[]:.1a') });
  fc.assert(
    fc.property(text, (sent) => {
      const elements = parseForwarded(`${sent}, for=192.0.2.7;host=example.com`);
      if (elements !== undefined) expect(elements.at(-1)).toEqual(element({ for: "192.0.2.7", host: "example.com" }));
    }),
  );
});
