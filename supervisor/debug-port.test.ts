import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DebugPort } from "./debug-port.ts";
import { freePort } from "./port.ts";

let port: number;
let debugPort: DebugPort;
const inspectors: Server[] = [];

beforeEach(async () => {
  port = await freePort("127.0.0.1");
  debugPort = await DebugPort.listen(port);
});

afterEach(() => {
  debugPort.close();
  for (const server of inspectors.splice(0)) server.close();
});

/** A worker of this release has an inspector, which greets. */
async function inspector(release: string): Promise<void> {
  const server = createServer((socket) => socket.on("error", () => undefined).write(release));
  inspectors.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const line = `Debugger listening on ws://127.0.0.1:${(server.address() as AddressInfo).port}/3b1c`;
  expect(debugPort.hear(release, line)).toBe(true);
}

function attach(): Socket {
  return connect(port, "127.0.0.1").on("error", () => undefined);
}

/** @returns who greets. */
async function greeted(socket: Socket): Promise<string> {
  const [said] = (await once(socket, "data")) as [Buffer];
  return said.toString();
}

test("debuggers are led to the release that is active, however often another one takes its place", async () => {
  await inspector("a");
  debugPort.follow("a");
  const first = attach();
  expect(await greeted(first)).toBe("a");
  // It starts, and may not come to serve.
  await inspector("b");
  expect(await greeted(attach())).toBe("a");
  const cutOff = once(first, "close");
  debugPort.follow("b");
  await cutOff;
  expect(await greeted(attach())).toBe("b");
  debugPort.ended("b");
  await inspector("b");
  expect(await greeted(attach())).toBe("b");
});

test("where no worker is, nobody is kept waiting", async () => {
  await once(attach(), "close");
  await inspector("a");
  debugPort.follow("a");
  debugPort.ended("a");
  await once(attach(), "close");
});

test("its end cuts debuggers off", async () => {
  await inspector("a");
  debugPort.follow("a");
  const socket = attach();
  await greeted(socket);
  const cutOff = once(socket, "close");
  debugPort.close();
  await cutOff;
});

test("what else a worker says is not its business, but for Node's advice on inspectors", () => {
  expect(debugPort.hear("a", "For help, see: https://nodejs.org/en/docs/inspector")).toBe(true);
  expect(debugPort.hear("a", "Debugger ending on ws://127.0.0.1:9229/3b1c")).toBe(true);
  expect(debugPort.hear("a", "Debugger attached.")).toBe(false);
  expect(debugPort.hear("a", '{"level":30,"msg":"worker ready"}')).toBe(false);
});

test("a port that is taken is refused", async () => {
  await expect(DebugPort.listen(port)).rejects.toThrow(/EADDRINUSE/);
});
