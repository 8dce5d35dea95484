// Heads of requests: nearly right ones, wrong ones, in several pieces, with others behind them.

import fc from "fast-check";
import { RawConnection } from "../raw-connection.ts";
import { target } from "../target.ts";

const websocket = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];

const anyText = (most: number) => fc.uint8Array({ maxLength: most }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const method = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE") },
  fc.constantFrom("CONNECT", "TRACE", "get", "PRI", ""),
  anyText(8),
);
const path = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("/echo", "/everything/a", "/everything/%C3%A9?user=x&user=y", "/nobody") },
  fc.constantFrom("*", "http://h/echo", "//echo", "/everything/..%2f", "/everything/%ff", "/echo?%zz", `/echo?${"q".repeat(9_000)}`),
  anyText(64).map((text) => `/everything/${text}`),
);
const version = fc.oneof(
  { weight: 8, arbitrary: fc.constant("HTTP/1.1") },
  fc.constantFrom("HTTP/1.0", "HTTP/2.0", "HTTP/1.1 ", ""),
  anyText(8),
);
const header = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("Host: h", ...websocket, "Origin: http://h", "Origin: null", "Cookie: a=b; =; a") },
  fc.constantFrom(
    ...["Transfer-Encoding: chunked", "Transfer-Encoding: xchunked", "Transfer-Encoding: gzip, chunked", "Content-Length: 5"],
    ...["Content-Length: -1", "Content-Length: 99999999999999999999", "Content-Length: 5, 6", "Expect: 100-continue"],
    ...["Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: x", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99"],
    ...["Sec-WebSocket-Protocol: a, b,, ", "X-Forwarded-For: 1.2.3.4, ::1", 'Forwarded: for="[::1]:x"', "Connection: close", " folded"],
  ),
  fc.tuple(anyText(24), anyText(200)).map(([name, value]) => `${name}: ${value}`),
  fc.integer({ min: 1, max: 70_000 }).map((length) => `X-Long: ${"x".repeat(length)}`),
);
const body = fc.oneof(
  { weight: 4, arbitrary: fc.constant("") },
  fc.constantFrom("hello", "5\r\nhello\r\n0\r\n\r\n", "ffffffffff\r\n", "-1\r\n"),
  anyText(200),
);

const head = fc
  .record({
    line: fc.oneof({ weight: 8, arbitrary: fc.tuple(method, path, version).map((parts) => parts.join(" ")) }, anyText(80)),
    upgrade: fc.boolean(),
    headers: fc.array(header, { maxLength: 12 }),
    many: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 200 })),
    lineEnd: fc.oneof({ weight: 8, arbitrary: fc.constant("\r\n") }, fc.constantFrom("\n", "\r", "\r\n ")),
    end: fc.oneof({ weight: 8, arbitrary: fc.constant("\r\n\r\n") }, fc.constantFrom("", "\r\n", "\n\n")),
    body,
  })
  .map(({ line, upgrade, headers, many, lineEnd, end, body: rest }) => {
    const lines = [
      line,
      ...(upgrade ? ["Host: h", ...websocket] : []),
      ...headers,
      ...Array.from({ length: many }, (_, index) => `X-${index}: y`),
    ];
    return `${lines.join(lineEnd)}${end}${rest}`;
  });

export const heads = target({
  name: "heads",
  title: "heads of requests and upgrades",
  cases: 150,
  arbitrary: fc.record({
    heads: fc.array(head, { minLength: 1, maxLength: 3 }),
    /** Where the bytes are parted, of all. */
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }),
  }),
  strike: async ({ installation }, { heads: texts, cuts }) => {
    const connection = await RawConnection.open(installation.url);
    await connection.write(Buffer.from(texts.join(""), "latin1"), cuts);
    const answer = connection.received.toString("latin1");
    connection.destroy();
    if (answer !== "" && !/^HTTP\/1\.1 [1-5]\d\d /.test(answer)) throw new Error(`answered with ${answer.slice(0, 200)}`);
  },
});
