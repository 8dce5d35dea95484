// Bodies of requests as they arrive, from a real socket.

import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { patienceMs } from "../../testbed/patience.ts";
import { listen, type Server } from "./server.ts";

const limits = { frameBytes: 65_536, backpressureBytes: 65_536, idleTimeoutMs: 120_000, compresses: false };
const bodyBytes = 400_000;

let server: Server;

afterEach(() => server.stopListening());

test("all that arrives of a body is told, also while its memory has room for it", async () => {
  let [arrived, grown, whole] = [0, 0, 0];
  server = await listen<object>(
    { host: "127.0.0.1", port: 0, tls: undefined, limits },
    {
      onUpgrade: () => undefined,
      onRequest: (_, client) =>
        client.readBody({
          limitBytes: 1_000_000,
          expectedBytes: bodyBytes,
          onArrived: (bytes) => {
            arrived += bytes;
          },
          onGrow: (bytes) => {
            grown += bytes;
            return true;
          },
          onWhole: (body) => {
            whole = body.length;
            client.answer({ status: 200, headers: [], body: "" });
          },
          onRefused: (code) => expect.fail(code),
        }),
      onOpen: () => undefined,
      onMessage: () => undefined,
      onClose: () => undefined,
    },
  );
  const socket = connect(server.port, "127.0.0.1");
  const send = async (bytes: number) => {
    socket.write(Buffer.alloc(bytes));
    await expect.poll(() => arrived, { timeout: patienceMs }).toBe(sent + bytes);
    sent += bytes;
  };
  let sent = 0;
  socket.write(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${bodyBytes}\r\n\r\n`);
  await send(150_000);
  const before = grown;
  expect(before).toBeGreaterThan(150_000);
  await send(1);
  expect(grown).toBe(before);
  const answered = new Promise((resolve) => socket.once("data", resolve));
  await send(bodyBytes - sent);
  await answered;
  expect([arrived, whole]).toEqual([bodyBytes, bodyBytes]);
  socket.destroy();
});
