// A client that reads more slowly than it is sent to fills its socket, and more has to wait for it: nothing of that may be lost.

import { afterEach, beforeEach, expect, test } from "vitest";
import { TestClient } from "../../test/client.ts";
import type { Socket } from "../connection.ts";
import { listen, type Server } from "./server.ts";

const limits = { frameBytes: 65_536, backpressureBytes: 64 * 1024 * 1024, idleTimeoutMs: 120_000, compresses: false };

let server: Server;
let socket: Socket;
let client: TestClient;

beforeEach(async () => {
  server = await listen<object>(
    { host: "127.0.0.1", port: 0, tls: undefined, limits },
    {
      onUpgrade: (_, waiting) => waiting.accept(() => ({}), "", []),
      onRequest: (_, waiting) => waiting.answer({ status: 404, headers: [], body: "" }),
      onOpen: (_, opened) => {
        socket = opened;
      },
      onMessage: () => undefined,
      onClose: () => undefined,
    },
  );
  client = await TestClient.open(`ws://127.0.0.1:${server.port}/`);
});

afterEach(async () => {
  server.stopListening();
  client.breakOff();
  await client.closes();
});

// Over loopback a TCP segment of Linux carries 65,483 bytes, with time stamps, and a full socket takes whole segments. So a frame
// of that size leaves no room for the next one's header: 20.30 then loses the next message, if nothing is done about it.
const segmentBytes = 65_483;
const headerBytes = 4;
/** More than the kernel takes of a client that does not read. */
const roundBytes = 10_000_000;

test.each([
  ["a frame fills a segment", segmentBytes - headerBytes],
  ["two frames fill a segment and a byte", segmentBytes / 2 - headerBytes + 1],
  ["messages are small", 1_000],
])("every message arrives, whole and in order, where %s", async (_, messageBytes) => {
  const message = Buffer.alloc(messageBytes);
  let sent = 0;
  for (let round = 0; round < 4; round++) {
    client.socket.pause();
    for (let bytes = 0; bytes < roundBytes; bytes += message.length) {
      message.writeUInt32BE(sent++);
      message.writeUInt32BE(sent, message.length - 4);
      socket.send(message, true);
    }
    client.socket.resume();
    await client.receives(sent);
  }
  const isWrong = (received: string | Buffer, index: number) =>
    !Buffer.isBuffer(received) ||
    received.length !== message.length ||
    received.readUInt32BE() !== index ||
    received.readUInt32BE(received.length - 4) !== index + 1;
  expect(client.received.findIndex(isWrong)).toBe(-1);
});
