// WebSocket frames: every opcode, every flag, masked or not, lengths that lie, in pieces.

import fc from "fast-check";
import { RawConnection } from "../raw-connection.ts";
import { target } from "../target.ts";

interface Frame {
  readonly fin: boolean;
  /** The three reserved bits. */
  readonly rsv: number;
  readonly opcode: number;
  readonly isMasked: boolean;
  readonly payload: Uint8Array;
  /** How the length is written: as short as can be, or in 2 or 8 bytes; or another length than the payload's. */
  readonly length: "shortest" | 2 | 8 | bigint;
}

const upgrade = (path: string) =>
  [
    `GET ${path} HTTP/1.1`,
    ...["Host: h", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],
    "\r\n",
  ].join("\r\n");

const bytes = (most: number) => fc.uint8Array({ maxLength: most });
const payload = fc.oneof(
  { weight: 4, arbitrary: bytes(130) },
  { weight: 3, arbitrary: fc.json({ maxDepth: 4 }).map((text) => Buffer.from(text)) },
  fc
    .record({ topic: fc.string({ maxLength: 300, unit: "binary" }), close: fc.option(fc.integer(), { nil: undefined }) })
    .map((value) => Buffer.from(JSON.stringify(value))),
  fc.tuple(fc.integer({ min: 0, max: 65_535 }), bytes(125)).map(([code, reason]) => Buffer.from([code >> 8, code & 0xff, ...reason])),
  fc.integer({ min: 0, max: 400_000 }).map((length) => Buffer.alloc(length, "a")),
);

const frame: fc.Arbitrary<Frame> = fc.record({
  fin: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.boolean()),
  rsv: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 7 })),
  opcode: fc.oneof({ weight: 6, arbitrary: fc.constantFrom(0, 1, 2, 8, 9, 10) }, fc.integer({ min: 0, max: 15 })),
  isMasked: fc.oneof({ weight: 8, arbitrary: fc.constant(true) }, fc.constant(false)),
  payload,
  length: fc.oneof(
    { weight: 8, arbitrary: fc.constant("shortest" as const) },
    fc.constantFrom(2 as const, 8 as const),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  ),
});

/** RFC 6455, 5.2. The mask is zero, which is one, too. */
function encode({ fin, rsv, opcode, isMasked, payload: data, length }: Frame): Buffer {
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  return Buffer.concat([Buffer.from([first]), encodeLength(length, data.length, isMasked), Buffer.alloc(isMasked ? 4 : 0), data]);
}

function encodeLength(how: Frame["length"], length: number, isMasked: boolean): Buffer {
  const mask = isMasked ? 0x80 : 0;
  if (how === "shortest" && length < 126) return Buffer.from([mask | length]);
  if (how === 2 || (how === "shortest" && length < 65_536)) return Buffer.from([mask | 126, (length >> 8) & 0xff, length & 0xff]);
  const long = Buffer.alloc(9);
  long[0] = mask | 127;
  long.writeBigUInt64BE(typeof how === "bigint" ? how : BigInt(length), 1);
  return long;
}

/** @throws where a server may not send this: RFC 6455, 5.1, 5.2 and 5.5.1. */
function checkAnswer(received: Buffer): void {
  for (let at = 0; at + 2 <= received.length; ) {
    const [first = 0, second = 0] = received.subarray(at, at + 2);
    const opcode = first & 0x0f;
    if ((first & 0x70) !== 0 || (second & 0x80) !== 0)
      throw new Error(`a frame that begins with ${first} ${second}: reserved bits or a mask`);
    if (![0, 1, 2, 8, 9, 10].includes(opcode)) throw new Error(`a frame with the opcode ${opcode}`);
    const form = second & 0x7f;
    const head = form < 126 ? 2 : form === 126 ? 4 : 10;
    if (at + head > received.length) return;
    const length = form < 126 ? form : form === 126 ? received.readUInt16BE(at + 2) : Number(received.readBigUInt64BE(at + 2));
    if (opcode === 8 && length >= 2 && at + head + 2 <= received.length) checkCloseCode(received.readUInt16BE(at + head));
    at += head + length;
  }
}

function checkCloseCode(code: number): void {
  const isAllowed = (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
  if (!isAllowed) throw new Error(`closed with ${code}, which no frame may have`);
}

export const frames = target({
  name: "frames",
  title: "WebSocket frames",
  cases: 150,
  arbitrary: fc.record({
    path: fc.constantFrom("/echo", "/everything/a?user=fuzz"),
    frames: fc.array(frame, { minLength: 1, maxLength: 8 }),
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }),
  }),
  strike: async ({ installation }, { path, frames: sent, cuts }) => {
    const connection = await RawConnection.open(installation.url);
    try {
      await connection.write(Buffer.from(upgrade(path)), []);
      await connection.until((received) => received.includes("\r\n\r\n"));
      const head = connection.received.subarray(0, connection.received.indexOf("\r\n\r\n") + 4).toString();
      // 429 and 503: so many connections from one address may be too many.
      if (/^HTTP\/1\.1 (429|503) /.test(head)) return;
      if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`not let in: ${head}`);
      await connection.write(Buffer.concat(sent.map(encode)), cuts);
      checkAnswer(connection.received.subarray(head.length));
    } finally {
      connection.destroy();
    }
  },
});
