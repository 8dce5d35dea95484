// What the gateway asks of uWebSockets.js, on real sockets.

import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { TestClient } from "../../test/client.ts";
import { RawClient } from "../../test/raw-client.ts";
import { patienceMs } from "../../testbed/patience.ts";
import { loadLibrary } from "./library.ts";
import { listen, type Server, type ServerListeners } from "./server.ts";
import type { WaitingUpgrade } from "./waiting-client.ts";

type Data = Record<string, never>;

const limits = { frameBytes: 65_536, backpressureBytes: 65_536, idleTimeoutMs: 120_000, compresses: false };
const connections = 200;

let server: Server;
let listeners: Pick<Required<ServerListeners<Data>>, "mayConnect" | "onUpgrade" | "onOpen">;
const clients: TestClient[] = [];

beforeEach(async () => {
  listeners = { mayConnect: () => true, onUpgrade: (_, client) => client.accept(() => ({}), "", []), onOpen: () => undefined };
  server = await listen<Data>(
    { host: "127.0.0.1", port: 0, tls: undefined, limits },
    {
      mayConnect: (ip) => listeners.mayConnect(ip),
      onUpgrade: (incoming, client) => listeners.onUpgrade(incoming, client),
      onRequest: (_, client) => client.answer({ status: 404, headers: [], body: "" }),
      onOpen: (data, socket) => listeners.onOpen(data, socket),
      onMessage: () => undefined,
      onClose: () => undefined,
    },
  );
});

afterEach(async () => {
  server.stopListening();
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

/** Memory that is taken from what was freed last, filled with bytes that read as "Connection: close" where they should not be read. */
function takeMemory(): Buffer[] {
  return Array.from({ length: 2_000 }, (_, index) => Buffer.allocUnsafeSlow(16 + (index % 32) * 8).fill(0x10));
}

test.each(["at once", "later"])("a client that is let in %s stays, whatever its onOpen allocates", async (when) => {
  const taken: Buffer[][] = [];
  listeners.onUpgrade = async (_, client: WaitingUpgrade<Data>) => {
    if (when === "later") await turn();
    client.accept(() => ({}), "", []);
  };
  listeners.onOpen = (_, socket) => {
    taken.push(takeMemory());
    socket.send(Buffer.from("welcome"), false);
  };
  for (let count = 0; count < connections; count++) {
    const client = await TestClient.open(`ws://127.0.0.1:${server.port}/`);
    clients.push(client);
    await client.receives(1);
    taken.length = 0;
  }
  // Whoever was closed would have heard of it by now.
  await turn();
  expect(clients.map(({ closed }) => closed)).toEqual(clients.map(() => undefined));
});

test("a client that goes while it waits is never admitted", async () => {
  let waiting: WaitingUpgrade<Data> | undefined;
  listeners.onUpgrade = (_, client) => {
    waiting = client;
  };
  const client = await RawClient.ask(`ws://127.0.0.1:${server.port}`, "/");
  await vi.waitFor(() => expect(waiting).toBeDefined(), patienceMs);
  client.socket.destroy();
  await vi.waitFor(() => expect(waiting?.isGone).toBe(true), patienceMs);
  waiting?.accept(() => expect.fail("admitted"), "", []);
});

test.runIf(loadLibrary().version === "20.69")(
  "who may not connect is cut off before it has asked for anything, and asked about once",
  async () => {
    const asked: string[] = [];
    listeners.mayConnect = (ip) => {
      asked.push(ip);
      return asked.length > 2;
    };
    const url = `http://127.0.0.1:${server.port}`;
    // The second one says nothing.
    expect(await RawClient.untilClosed(url, requestOf(100))).toBe("");
    expect(await RawClient.untilClosed(url, "")).toBe("");
    expect(await RawClient.until(url, requestOf(100), "\r\n\r\n")).toMatch(/^HTTP\/1\.1 404 /);
    const client = await TestClient.open(`ws://127.0.0.1:${server.port}/`);
    await client.close();
    expect(asked).toEqual(["127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"]);
  },
);

test("who says that no other request follows is told that no other answer does, and is then closed", async () => {
  const url = `http://127.0.0.1:${server.port}`;
  const request = (connection: string) => `GET / HTTP/1.1\r\nHost: h\r\nConnection: ${connection}\r\n\r\n`;
  expect(await RawClient.untilClosed(url, request("Close"))).toMatch(/^HTTP\/1\.1 404 .*\r\nconnection: close\r\n/s);
  expect(await RawClient.until(url, request("keep-alive"), "\r\n\r\n")).not.toMatch(/connection/i);
});

/** @returns a request of so many bytes. */
function requestOf(bytes: number, lines: readonly string[] = []): string {
  const start = ["GET / HTTP/1.1", "Host: h", ...lines, "Cookie: session="].join("\r\n");
  return `${start.padEnd(bytes - 4, "a")}\r\n\r\n`;
}

const upgradeLines = [
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/** @returns the first line of the answer to what arrives in pieces, each by itself; empty where there is none. */
async function answerToPieces(request: string): Promise<string> {
  const client = await RawClient.send(`http://127.0.0.1:${server.port}`, request.slice(0, 1_000));
  for (let at = 1_000; at < request.length; at += 1_000) {
    // The server reads in the same event loop as this writes.
    await turn();
    await new Promise<void>((resolve) => client.socket.write(request.slice(at, at + 1_000), () => resolve()));
  }
  await Promise.race([once(client.socket, "data"), once(client.socket, "close")]);
  client.socket.destroy();
  return client.received.toString("latin1").split("\r\n")[0] ?? "";
}

describe("a request's head", () => {
  const url = () => `http://127.0.0.1:${server.port}`;

  test("may have 16 KiB in one piece", async () => {
    expect(await RawClient.until(url(), requestOf(16_000), "\r\n\r\n")).toMatch(/^HTTP\/1\.1 404 /);
    expect(await RawClient.until(url(), requestOf(16_000, upgradeLines), "\r\n\r\n")).toMatch(/^HTTP\/1\.1 101 /);
  });

  test("of more is answered with 431, and the connection closed", async () => {
    for (const lines of [[], upgradeLines]) {
      expect(await RawClient.untilClosed(url(), requestOf(17_000, lines))).toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
    }
  });

  test.runIf(loadLibrary().version === "20.69")("may have as much in many pieces, and more is 431", async () => {
    expect(await answerToPieces(requestOf(16_000))).toBe("HTTP/1.1 404 Not Found");
    expect(await answerToPieces(requestOf(16_000, upgradeLines))).toBe("HTTP/1.1 101 Switching Protocols");
    expect(await answerToPieces(requestOf(17_000, upgradeLines))).toBe("HTTP/1.1 431 Request Header Fields Too Large");
  });

  // Within its parser: nothing of ours is called before the head is whole. docs/uwebsockets.md lists it.
  test.runIf(loadLibrary().version === "20.30")("in pieces may have 4 KiB, with the older uWebSockets.js", async () => {
    expect(await answerToPieces(requestOf(4_000))).toBe("HTTP/1.1 404 Not Found");
    expect(await answerToPieces(requestOf(5_000))).toBe("");
  });
});
