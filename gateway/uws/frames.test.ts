// What clients may send, byte by byte: RFC 6455, by the numbers of Autobahn's cases.

import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RawClient } from "../../test/raw-client.ts";
import type { Socket } from "../connection.ts";
import { listen, type Server } from "./server.ts";

interface Data {
  socket?: Socket;
}

const limits = { frameBytes: 65_536, backpressureBytes: 1_000_000, idleTimeoutMs: 120_000, compresses: false };

let server: Server;
let client: RawClient;
let closed: Promise<{ code: number; reason: string }>;
let faults: number;

beforeEach(async () => {
  faults = 0;
  let onClosed: (close: { code: number; reason: string }) => void;
  closed = new Promise((resolve) => {
    onClosed = resolve;
  });
  server = await listen<Data>(
    { host: "127.0.0.1", port: 0, tls: undefined, limits },
    {
      onUpgrade: (_, waiting) => waiting.accept(() => ({}), "", []),
      onRequest: (_, waiting) => waiting.answer({ status: 404, headers: [], body: "" }),
      onOpen: (data, socket) => {
        data.socket = socket;
      },
      onMessage: (data, message, isBinary) => data.socket?.send(message, isBinary),
      onFault: () => {
        faults++;
      },
      onClose: (_, code, reason) => onClosed({ code, reason: Buffer.from(reason).toString() }),
    },
  );
  client = await RawClient.open(`ws://127.0.0.1:${server.port}`, "/");
  client.received = Buffer.alloc(0);
});

afterEach(() => {
  server.stopListening();
  client.socket.destroy();
});

const final = 0x80;
const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** As a client sends it, masked, with a mask that changes something. */
function frame(first: number, payload: Uint8Array | string = ""): Buffer {
  const mask = [1, 2, 3, 4];
  const bytes = Buffer.from(payload);
  const masked = bytes.map((byte, index) => byte ^ (mask[index % 4] as number));
  return Buffer.concat([head(first, bytes.length, 0x80), Buffer.from(mask), masked]);
}

/** As the server answers it. */
function answer(code: number, payload: Uint8Array | string = ""): Buffer {
  const bytes = Buffer.from(payload);
  return Buffer.concat([head(final | code, bytes.length, 0), bytes]);
}

function head(first: number, length: number, mask: number): Buffer {
  if (length < 126) return Buffer.from([first, mask | length]);
  if (length < 65_536) return Buffer.from([first, mask | 126, length >> 8, length & 0xff]);
  const bytes = Buffer.alloc(10);
  bytes.set([first, mask | 127]);
  bytes.writeBigUInt64BE(BigInt(length), 2);
  return bytes;
}

function closeFrame(code: number, reason = ""): Buffer {
  return frame(final | opcode.close, Buffer.from([code >> 8, code & 0xff, ...Buffer.from(reason)]));
}

async function isAnsweredWith(bytes: Buffer): Promise<void> {
  while (client.received.length < bytes.length) await once(client.socket, "data");
  expect(client.received).toEqual(bytes);
}

/** With a FIN. */
async function ends(): Promise<void> {
  if (!client.socket.readableEnded) await once(client.socket, "end");
}

/** With a FIN, or an RST where the server had not read everything. */
async function goes(): Promise<void> {
  if (!client.socket.closed) await new Promise((resolve) => client.socket.once("close", resolve));
}

test.each<[string, Buffer[], Buffer[]]>([
  ["1.1.1: text without payload", [frame(final | opcode.text)], [answer(opcode.text)]],
  ["1.2.4: 16 bits of length", [frame(final | opcode.binary, Buffer.alloc(126, 7))], [answer(opcode.binary, Buffer.alloc(126, 7))]],
  ["1.1.6: 64 bits of length", [frame(final | opcode.text, "x".repeat(65_536))], [answer(opcode.text, "x".repeat(65_536))]],
  ["2.4: a ping of 125 bytes", [frame(final | opcode.ping, Buffer.alloc(125, 0xfe))], [answer(opcode.pong, Buffer.alloc(125, 0xfe))]],
  ["2.9: a pong that nobody asked for", [frame(final | opcode.pong, "a"), frame(final | opcode.ping, "b")], [answer(opcode.pong, "b")]],
  [
    "5.6: a ping within a message",
    [frame(opcode.text, "one "), frame(final | opcode.ping, "p"), frame(final | opcode.continuation, "two")],
    [answer(opcode.pong, "p"), answer(opcode.text, "one two")],
  ],
  [
    "5.8: empty fragments",
    [frame(opcode.text), frame(opcode.continuation, "a"), frame(opcode.continuation), frame(final | opcode.continuation)],
    [answer(opcode.text, "a")],
  ],
  [
    "6.2.3: a character in two fragments",
    [frame(opcode.text, Buffer.from([0xc3])), frame(final | opcode.continuation, Buffer.from([0xa9]))],
    [answer(opcode.text, "é")],
  ],
])("is answered, in one piece or byte by byte: %s", async (_, frames, answers) => {
  const sent = Buffer.concat(frames);
  const wanted = Buffer.concat(answers);
  client.socket.write(sent);
  await isAnsweredWith(wanted);
  client.received = Buffer.alloc(0);
  for (const byte of sent.subarray(0, 40)) {
    await new Promise((resolve) => client.socket.write(Buffer.from([byte]), resolve));
  }
  client.socket.write(sent.subarray(40));
  await isAnsweredWith(wanted);
});

describe("breaks the connection off, and its close is 1006", () => {
  test.each<[string, Buffer[]]>([
    ["2.5: a ping of 126 bytes", [frame(final | opcode.ping, Buffer.alloc(126))]],
    ["3.1: RSV1", [frame(final | 0x40 | opcode.text, "a")]],
    ["3.7: RSV1, RSV2 and RSV3", [frame(final | 0x70 | opcode.text, "a")]],
    ["4.1.1: a reserved opcode", [frame(final | 3, "a")]],
    ["4.2.1: a reserved control opcode", [frame(final | 11, "a")]],
    ["5.1: a ping in fragments", [frame(opcode.ping, "a"), frame(final | opcode.continuation, "b")]],
    ["5.9: a continuation of nothing", [frame(final | opcode.continuation, "a")]],
    ["5.18: a message within a message", [frame(opcode.text, "a"), frame(final | opcode.text, "b")]],
    ["6.3.1: text that is not UTF-8", [frame(final | opcode.text, Buffer.from([0xce, 0xba, 0xed, 0xa0, 0x80]))]],
    ["6.4.1: the same in fragments", [frame(opcode.text, "a"), frame(final | opcode.continuation, Buffer.from([0xff]))]],
    ["7.3.6: a close of 126 bytes", [closeFrame(1000, "x".repeat(124))]],
    ["the head of more than frameBytes", [head(final | opcode.binary, 65_537, 0x80), Buffer.alloc(4)]],
  ])("%s", async (_, frames) => {
    client.socket.write(Buffer.concat(frames));
    await goes();
    expect(client.received).toEqual(Buffer.alloc(0));
    expect((await closed).code).toBe(1006);
  });
});

describe("tells that it was the client's fault", () => {
  test.each<[string, Buffer[]]>([
    ["text that is not UTF-8", [frame(final | opcode.text, Buffer.from([0xff]))]],
    ["the head of more than frameBytes", [head(final | opcode.binary, 65_537, 0x80), Buffer.alloc(4)]],
  ])("%s", async (_, frames) => {
    client.socket.write(Buffer.concat(frames));
    await closed;
    expect(faults).toBe(1);
  });

  test.each<[string, () => void]>([
    ["not where it breaks off", () => client.socket.destroy()],
    ["not where it ends TCP", () => client.socket.end()],
    ["not where its close code is one that the library does not know", () => client.socket.write(closeFrame(3000, "bye"))],
    ["not where it closes", () => client.socket.write(closeFrame(1000, "bye"))],
  ])("%s", async (_, leave) => {
    leave();
    await closed;
    expect(faults).toBe(0);
  });
});

// RFC 6455, 5.1 wants it closed with 1002. The parser has no look at the mask bit, and tells nobody of it: docs/uwebsockets.md.
test("5.1: an unmasked frame is read as a masked one, which only garbles what its own client says", async () => {
  const unmasked = Buffer.concat([head(final | opcode.binary, 4, 0), Buffer.from([1, 2, 3, 4])]);
  client.socket.write(Buffer.concat([unmasked, unmasked]));
  // The mask was 1, 2, 3, 4, and the payload the next frame's first four bytes. Behind it stands an opcode that there is not.
  const [first = 0, second = 0] = unmasked;
  await isAnsweredWith(answer(opcode.binary, Buffer.from([first ^ 1, second ^ 2, 1 ^ 3, 2 ^ 4])));
  client.socket.write(unmasked);
  await goes();
  expect((await closed).code).toBe(1006);
});

describe("a close frame is answered, and TCP ended", () => {
  test.each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 4000, 4999])("with its code: %i", async (code) => {
    client.socket.write(closeFrame(code, "bye"));
    await ends();
    expect(client.received).toEqual(answer(opcode.close, Buffer.from([code >> 8, code & 0xff, ...Buffer.from("bye")])));
    expect(await closed).toEqual({ code, reason: "bye" });
  });

  test("7.3.1: without a code, as 1005", async () => {
    client.socket.write(frame(final | opcode.close));
    await ends();
    expect(client.received).toEqual(answer(opcode.close));
    expect(await closed).toEqual({ code: 1005, reason: "" });
  });

  // uWebSockets.js does not know 1012 to 1014 and 3000 to 3999, which are as good as 4000.
  test.each([0, 999, 1004, 1005, 1006, 1012, 1015, 1016, 2999, 3000, 3999, 5000])("without its code, as 1006: %i", async (code) => {
    client.socket.write(closeFrame(code, "bye"));
    await ends();
    expect(client.received).toEqual(answer(opcode.close));
    expect((await closed).code).toBe(1006);
  });

  test("7.5.1: a reason that is not UTF-8", async () => {
    client.socket.write(frame(final | opcode.close, Buffer.from([0x03, 0xe8, 0xff])));
    await ends();
    expect(client.received).toEqual(answer(opcode.close));
    expect((await closed).code).toBe(1006);
  });
});
