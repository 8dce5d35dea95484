import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { Connection } from "./connection.ts";
import { readDigits } from "./digits.ts";
import { OutgoingFrames } from "./outgoing-frames.ts";

const accepted = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const payloadBytes = 20_000;
const frameBytes = 8 + payloadBytes;

const servers: Server[] = [];
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

interface Connected {
  readonly connection: Connection;
  /** The server's end. */
  readonly socket: Socket;
  readonly heard: string[];
  readonly hears: (what: string) => Promise<void>;
}

/** A connection to a server that has read the request and does nothing more. @param bufferBytes What one read takes. */
async function connected(bufferBytes = 1024): Promise<Connected> {
  const server = createServer();
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const heard: string[] = [];
  const waiting = new Set<() => void>();
  const note = (what: string) => {
    heard.push(what);
    for (const look of waiting) look();
  };
  const { port } = server.address() as AddressInfo;
  const connection = new Connection(
    { host: "127.0.0.1", port, path: "/echo" },
    {
      buffer: new Uint8Array(bufferBytes),
      listener: {
        onOpen: () => note("open"),
        onMessage: (number) => note(`message ${number}`),
        onRead: () => undefined,
        onMalformed: () => note("malformed"),
        onEnd: (why) => note(`end: ${why}`),
      },
    },
  );
  const [socket] = (await once(server, "connection")) as [Socket];
  sockets.push(socket);
  await once(socket, "data");
  const hears = (what: string) =>
    new Promise<void>((resolve) => {
      const look = () => heard.includes(what) && resolve();
      waiting.add(look);
      look();
    });
  return { connection, socket, heard, hears };
}

test("opens with the key's answer, though it come in pieces, and reads what comes with it", async () => {
  const { socket, heard, hears } = await connected(20);
  socket.write(`${accepted}\x81\x0a0000700000`, "latin1");
  await hears("message 7");
  expect(heard).toEqual(["open", "message 7"]);
});

test.each([
  { what: "another status", response: "HTTP/1.1 404 Not Found\r\n\r\n", why: "HTTP/1.1 404 Not Found" },
  { what: "another key", response: accepted.replace("s3pPL", "s3pPM"), why: "HTTP/1.1 101 Switching Protocols" },
])("$what is a refusal", async ({ response, why }) => {
  const { socket, hears, heard } = await connected();
  socket.write(response);
  await hears(`end: ${why}`);
  expect(heard).toEqual([`end: ${why}`]);
});

test.each([
  { what: "a close frame", leave: (socket: Socket) => socket.write(Buffer.from([0x88, 0x00])), why: "closed by the server" },
  { what: "an end without one", leave: (socket: Socket) => socket.end(), why: "the connection broke" },
  { what: "a reset", leave: (socket: Socket) => socket.resetAndDestroy(), why: "read ECONNRESET" },
])("$what is noticed, once", async ({ leave, why }) => {
  const { socket, hears, heard } = await connected();
  socket.write(accepted);
  await hears("open");
  const closed = once(socket, "close");
  leave(socket);
  await hears(`end: ${why}`);
  await closed;
  expect(heard).toEqual(["open", `end: ${why}`]);
});

test("what a server does not read for a while reaches it whole", async () => {
  const { connection, socket, hears } = await connected();
  socket.write(accepted);
  await hears("open");
  socket.pause();
  // Far more than the kernel buffers.
  const count = 1000;
  const frames = new OutgoingFrames({ payloadBytes, most: 1 });
  for (let number = 0; number < count; number++) if (!connection.write(frames.numbered(number, 1, 0))) frames.leave();
  const chunks: Buffer[] = [];
  let bytes = 0;
  await new Promise<void>((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes === count * frameBytes) resolve();
    });
    socket.resume();
  });
  const all = Buffer.concat(chunks);
  const numbers = Array.from({ length: count }, (_, index) => readDigits(all, index * frameBytes + 8));
  expect(numbers).toEqual(Array.from({ length: count }, (_, index) => index));
  connection.leave();
});
