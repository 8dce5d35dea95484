// A client that reads too slowly is closed, and never told something behind what was dropped.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, expect, test } from "vitest";
import type { Socket } from "../connection.ts";
import { listen, type Server } from "./server.ts";

const limits = { frameBytes: 65_536, backpressureBytes: 100_000, idleTimeoutMs: 120_000, compresses: false };

// In a thread of its own, since the server does not wait for it. Reads as soon as it is told to, and tells what came.
const reader = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { WebSocket } = require("ws");
  const client = new WebSocket(workerData.url);
  const numbers = [];
  client.on("open", () => {
    client.pause();
    parentPort.postMessage("open");
  });
  client.on("message", (message) => {
    numbers.push(message.readUInt32BE());
    Atomics.add(workerData.read, 0, 1);
    Atomics.notify(workerData.read, 0);
  });
  client.on("close", () => parentPort.postMessage(numbers));
  parentPort.on("message", () => client.resume());
`;

let server: Server;

afterEach(() => server.stopListening());

test("nothing follows what was dropped, though the client reads again before it is closed", async () => {
  const read = new Int32Array(new SharedArrayBuffer(4));
  let socket: Socket | undefined;
  let isSlow: boolean | undefined;
  server = await listen<object>(
    { host: "127.0.0.1", port: 0, tls: undefined, limits },
    {
      onUpgrade: (_, waiting) => waiting.accept(() => ({}), "", []),
      onRequest: (_, waiting) => waiting.answer({ status: 404, headers: [], body: "" }),
      onOpen: (_, opened) => {
        socket = opened;
      },
      onMessage: () => undefined,
      onClose: (_, __, ___, wasSlow) => {
        isSlow = wasSlow;
      },
    },
  );
  const client = new Worker(reader, { eval: true, workerData: { url: `ws://127.0.0.1:${server.port}`, read } });
  await once(client, "message");
  const message = Buffer.alloc(60_000);
  let sent = 0;
  const send = () => {
    message.writeUInt32BE(sent++);
    socket?.send(message, true);
  };
  // More than the kernel takes, and the limit.
  while (sent < 200) send();
  client.postMessage("read");
  // No turn of the event loop until then.
  while (Atomics.load(read, 0) < 10) Atomics.wait(read, 0, Atomics.load(read, 0), 1_000);
  // Writes what waits.
  socket?.cork(() => undefined);
  send();
  const [numbers] = (await once(client, "message")) as [number[]];
  expect(numbers).toEqual(numbers.map((_, index) => index));
  expect(numbers.length).toBeLessThan(200);
  expect(isSlow).toBe(true);
  await client.terminate();
});
