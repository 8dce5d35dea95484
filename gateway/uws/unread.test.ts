// What is closed before its request was read whole, and what is listened to no more, on real sockets.

import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { hasOpenssl, writeCertificate } from "../../test/certificate.ts";
import { listen, type Server } from "./server.ts";
import type { WaitingRequest } from "./waiting-client.ts";

const limits = { frameBytes: 65_536, backpressureBytes: 65_536, idleTimeoutMs: 120_000, compresses: false };

let server: Server;
let folder: string | undefined;

afterEach(() => {
  server.stopListening();
  if (folder !== undefined) rmSync(folder, { recursive: true });
  folder = undefined;
});

async function start(onRequest: (client: WaitingRequest) => void, tls?: { certFile: string; keyFile: string }): Promise<void> {
  server = await listen<object>(
    { host: "127.0.0.1", port: 0, tls, limits },
    {
      onUpgrade: () => undefined,
      onRequest: (_, client) => onRequest(client),
      onOpen: () => undefined,
      onMessage: () => undefined,
      onClose: () => undefined,
    },
  );
}

/** Sends a body without end. @returns what it was answered until it was closed. */
async function sendWithoutEnd(socket: Socket, method: string): Promise<string> {
  let answer = "";
  socket.on("error", () => undefined).on("data", (chunk) => (answer += chunk.toString()));
  const chunk = `ffff\r\n${"x".repeat(0xffff)}\r\n`;
  const send = () => {
    while (socket.writable && socket.write(chunk));
  };
  socket.on("drain", send);
  socket.write(`${method} / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n`);
  send();
  await new Promise((resolve) => socket.once("close", resolve));
  return answer;
}

const refuse = (client: WaitingRequest) =>
  client.answer({ status: 404, headers: [["content-type", "text/plain"]], body: "nobody reads this\n", close: "linger" });

const whole =
  /^HTTP\/1\.1 404 Not Found\r\ncontent-type: text\/plain\r\nconnection: close\r\ncontent-length: 19\r\n\r\nnobody reads this\r\n$/;

test("a client that goes on sending sees its whole answer, and is then closed", async () => {
  await start(refuse);
  expect(await sendWithoutEnd(connectTcp(server.port, "127.0.0.1"), "POST")).toMatch(whole);
});

test("an answer to HEAD has no body then, either", async () => {
  await start(refuse);
  expect(await sendWithoutEnd(connectTcp(server.port, "127.0.0.1"), "HEAD")).toMatch(/content-length: 19\r\n\r\n$/);
});

describe.runIf(hasOpenssl)("with TLS", () => {
  test("it is the same", async () => {
    folder = mkdtempSync(join(tmpdir(), "thinstate-unread-"));
    const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
    writeCertificate("unread", files);
    await start(refuse, { certFile: files.cert, keyFile: files.key });
    const socket = connectTls({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
    expect(await sendWithoutEnd(socket, "POST")).toMatch(whole);
  });
});

test("a client that goes while it is waited for is not closed a second time", async () => {
  await start(refuse);
  const socket = connectTcp(server.port, "127.0.0.1");
  socket.write("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  await new Promise((resolve) => socket.once("data", resolve));
  socket.resetAndDestroy();
  // By the time that this one is closed, the other would have been, too.
  expect(await sendWithoutEnd(connectTcp(server.port, "127.0.0.1"), "POST")).toMatch(whole);
});

const connects = (): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connectTcp(server.port, "127.0.0.1");
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.end(() => resolve(true)));
  });

test("who pauses to listen can listen again on the same port, also with other options", async () => {
  await start(refuse);
  const { port } = server;
  server.pauseListening();
  expect(await connects()).toBe(false);
  await server.renew({ tls: undefined, limits });
  expect(await connects()).toBe(false);
  await server.listenAgain();
  expect([server.port, await connects()]).toEqual([port, true]);
});

test("who has stopped to listen does not listen again", async () => {
  await start(refuse);
  server.pauseListening();
  server.stopListening();
  await server.listenAgain();
  expect(await connects()).toBe(false);
});
