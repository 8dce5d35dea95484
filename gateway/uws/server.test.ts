// What the gateway asks of uWebSockets.js, on real sockets.

import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { TestClient } from "../../test/client.ts";
import { RawClient } from "../../test/raw-client.ts";
import type { WaitingUpgrade } from "./client.ts";
import { listen, type Server, type ServerListeners } from "./server.ts";

type Data = Record<string, never>;

const limits = { frameBytes: 65_536, backpressureBytes: 65_536, idleTimeoutMs: 120_000 };
const connections = 200;

let server: Server;
let listeners: Pick<ServerListeners<Data>, "onUpgrade" | "onOpen">;
const clients: TestClient[] = [];

beforeEach(async () => {
  listeners = { onUpgrade: (_, client) => client.accept(() => ({}), "", []), onOpen: () => undefined };
  server = await listen<Data>(
    { host: "127.0.0.1", port: 0, tls: undefined, limits },
    {
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
  await vi.waitFor(() => expect(waiting).toBeDefined());
  client.socket.destroy();
  await vi.waitFor(() => expect(waiting?.isGone).toBe(true));
  waiting?.accept(() => expect.fail("admitted"), "", []);
});
