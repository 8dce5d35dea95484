// Socket.IO's own client comes back after its connection has broken: to the socket that it was, and to what it has missed.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../supervisor/port.ts";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { startNats } from "./nats.ts";
import { type TestProcess, TestSystem } from "./system.ts";

let folder: string;
let system: TestSystem;
const clients: Client[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-recovery-"));
  system = await TestSystem.start({ handlers: "socket-io", workers: 2, nats: await startNats(0, ["-js", "-sd", folder]) });
});

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.disconnect();
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

class Client {
  readonly socket: Socket;
  /** Without what comes last: the offset. */
  readonly events: unknown[][] = [];
  /** As they came. */
  readonly all: unknown[][] = [];
  /** Whether it was recovered, each time it has connected. */
  readonly connects: boolean[] = [];
  disconnects = 0;
  private readonly signal = new Signal();

  constructor({ namespace = "", ...options }: Partial<ManagerOptions & SocketOptions> & { namespace?: string } = {}) {
    const url = `${system.url.replace("ws:", "http:")}${namespace}`;
    this.socket = io(url, { path: "/recover/", transports: ["websocket"], forceNew: true, reconnection: false, ...options });
    clients.push(this);
    this.socket.onAny((...event: unknown[]) => {
      this.all.push(event);
      this.events.push(event.slice(0, -1));
      this.signal.tell();
    });
    this.socket.on("connect", () => {
      this.connects.push(this.socket.recovered);
      this.signal.tell();
    });
    this.socket.on("disconnect", () => {
      this.disconnects++;
      this.signal.tell();
    });
  }

  until(condition: () => boolean, what: string): Promise<void> {
    const state = () => `${what}; events: ${JSON.stringify(this.events.slice(-8))}, connects: ${this.connects}`;
    return this.signal.until(condition, state, patienceMs);
  }

  /** What was said of late, since this was called last. */
  said(): unknown[] {
    return this.events.splice(0).flatMap(([event, , n]) => (event === "said" ? [n] : []));
  }

  hears(n: number): Promise<void> {
    return this.until(() => this.events.some(([event, , said]) => event === "said" && said === n), `hears ${n}`);
  }

  say(rooms: string[], n: number): Promise<unknown> {
    return this.socket.emitWithAck("say", rooms, n);
  }

  async cut(): Promise<void> {
    const before = this.disconnects;
    this.socket.io.engine.close();
    await this.until(() => this.disconnects > before, "is cut off");
  }

  /** @param url Of another gateway. */
  async comesBack(url?: string): Promise<void> {
    const before = this.connects.length;
    if (url !== undefined) Object.assign(this.socket.io, { uri: url.replace("ws:", "http:") });
    this.socket.connect();
    await this.until(() => this.connects.length > before, "is back");
  }
}

async function connect(options: ConstructorParameters<typeof Client>[0] = {}): Promise<Client> {
  const client = new Client(options);
  await client.until(() => client.events.length > 0, "is welcome");
  return client;
}

test.each([
  ["in the main namespace", {}],
  ["in another one", { namespace: "/game" }],
  ["by long-polling", { transports: ["polling"] }],
])("after a cut, %s, through a deploy and a worker's death: the same socket, and what it missed in order and once", async (_, options) => {
  const [ada, bob] = await Promise.all([connect(options), connect(options)]);
  const { id } = ada.socket;
  await ada.socket.emitWithAck("join", "room", { nested: [1] });
  await bob.say(["room"], 0);
  await ada.hears(0);
  await ada.cut();
  await bob.say(["room"], 1);
  await bob.say(["elsewhere"], -1);
  await system.deploy("2", { workers: 2 });
  await bob.say([id ?? ""], 2);
  system.keepWorkers();
  await system.live("worker")[0]?.end("SIGKILL");
  await bob.say([], 3);
  await bob.hears(3);
  await ada.comesBack();
  await bob.say(["room"], 4);
  await ada.hears(4);
  expect(ada.said()).toEqual([0, 1, 2, 3, 4]);
  expect([ada.socket.id, ada.connects]).toEqual([id, [false, true]]);
  expect(await ada.socket.emitWithAck("who")).toEqual([true, [id, "room"].sort(), { value: { nested: [1] } }]);
});

/** @returns its URL. A port of its own: nobody knows to which of two gateways a shared one leads. */
async function anotherGateway(): Promise<string> {
  const port = await freePort("127.0.0.1");
  const { pid } = system.startGateway({ PORT: String(port) });
  await system.until(() => system.gatewayHellos.some((hello) => hello.pid === pid && hello.serving), "another gateway serves");
  return `ws://127.0.0.1:${port}`;
}

/** A gateway is killed, and said to be: as its supervisor would, which has seen it end. */
async function killGateway({ gateway, id }: { gateway: TestProcess | undefined; id: string | undefined }): Promise<void> {
  await gateway?.end("SIGKILL");
  system.say({ kind: "gone", id: id ?? "", reason: "exited" });
}

test("at another gateway, and after its own was killed: the same socket", async () => {
  const doomed = { gateway: system.live("gateway")[0], id: system.gatewayHellos[0]?.id };
  const ada = await connect();
  await ada.socket.emitWithAck("join", "room", 1);
  const [own, other] = [system.url, await anotherGateway()];
  const bob = new Client();
  await bob.until(() => bob.events.length > 0, "bob is welcome");
  await bob.cut();
  await bob.comesBack(other);
  await bob.socket.emitWithAck("join", "watch", 1);
  await ada.cut();
  await bob.say(["room"], 1);
  await ada.comesBack(other);
  await ada.cut();
  await bob.say(["room"], 2);
  await ada.comesBack(own);
  // The listeners of "connection" have run, so those of "disconnect" will.
  await ada.socket.emitWithAck("who");
  bob.events.splice(0);
  await doomed.gateway?.end("SIGKILL");
  await ada.until(() => ada.disconnects === 3, "is cut off");
  await bob.say(["room"], 3);
  await killGateway(doomed);
  await bob.until(() => bob.events.some(([event]) => event === "left"), "its disconnect is heard");
  await bob.say(["room"], 4);
  await ada.comesBack(other);
  await ada.hears(4);
  expect(ada.said()).toEqual([1, 2, 3, 4]);
  expect(ada.connects).toEqual([false, true, true, true]);
});

test("what was emitted to several rooms comes although the gateway died with it, and something newer had arrived", async () => {
  const doomed = { gateway: system.live("gateway")[0], id: system.gatewayHellos[0]?.id };
  const ada = await connect();
  await ada.socket.emitWithAck("join", "room", 1);
  const other = await anotherGateway();
  const bob = new Client();
  await bob.until(() => bob.events.length > 0, "bob is welcome");
  await bob.cut();
  await bob.comesBack(other);
  await bob.socket.emitWithAck("join", "watch", 1);
  await bob.say(["room"], 0);
  await ada.hears(0);
  ada.socket.emit("hang");
  await bob.say(["room", "elsewhere"], 1);
  await bob.say(["room"], 2);
  await ada.hears(2);
  await killGateway(doomed);
  await ada.until(() => ada.disconnects === 1, "is cut off");
  await bob.until(() => bob.events.some(([event]) => event === "left"), "its disconnect is heard");
  await ada.comesBack(other);
  await ada.hears(1);
  expect([ada.said(), ada.connects]).toEqual([
    [0, 2, 1],
    [false, true],
  ]);
});

test("many in a row for several rooms, and the gateway dies with copies that were not stored: who is recovered has lost none", async () => {
  const doomed = { gateway: system.live("gateway")[0], id: system.gatewayHellos[0]?.id };
  const ada = await connect();
  await ada.socket.emitWithAck("join", "room", 1);
  const other = await anotherGateway();
  const bob = new Client();
  await bob.until(() => bob.events.length > 0, "bob is welcome");
  await bob.cut();
  await bob.comesBack(other);
  await bob.socket.emitWithAck("join", "watch", 1);
  // No more than a socket notes of those on their way.
  const all = Array.from({ length: 20 }, (_, n) => n);
  const saying = all.map((n) => bob.say(["room", "elsewhere"], n));
  await ada.hears(5);
  await killGateway(doomed);
  await ada.until(() => ada.disconnects === 1, "is cut off");
  await Promise.all(saying);
  await bob.until(() => bob.events.some(([event]) => event === "left"), "its disconnect is heard");
  await ada.comesBack(other);
  expect(ada.socket.recovered).toBe(true);
  const heard = () => ada.events.flatMap(([event, , n]) => (event === "said" ? [n as number] : []));
  await ada.until(() => all.every((n) => heard().includes(n)), "hears all");
  expect(heard().toSorted((a, b) => a - b)).toEqual(all);
});

test("NATS is killed while a client is away, and back with what it has on disk: the client has missed nothing", async () => {
  const [ada, bob] = await Promise.all([connect(), connect()]);
  await ada.socket.emitWithAck("join", "room", 1);
  await bob.say(["room"], 0);
  await ada.hears(0);
  await ada.cut();
  await bob.say(["room"], 1);
  await system.killNats();
  const saying = bob.say(["room"], 2);
  const coming = ada.comesBack();
  await system.bringNatsBack();
  await Promise.all([saying, coming]);
  await bob.say(["room"], 3);
  await ada.hears(3);
  expect([ada.said(), ada.connects]).toEqual([
    [0, 1, 2, 3],
    [false, true],
  ]);
});

test("cut off again and again while others talk: all is heard, once, and the rooms in one order, as by who was never cut off", async () => {
  const [ada, bob, cyd, dan] = await Promise.all([
    connect({ reconnection: true, reconnectionDelay: 10, randomizationFactor: 0 }),
    connect(),
    connect(),
    connect(),
  ]);
  for (const room of ["a", "b"]) await Promise.all([ada, dan].map(({ socket }) => socket.emitWithAck("join", room, 0)));
  const rooms = [["a"], ["b"], [], ["a", "b"]];
  let isDone = false;
  const talking = [bob, cyd].map(async (client, speaker) => {
    let n = 0;
    for (; !isDone; n++) await client.say(rooms[n % rooms.length] ?? [], 100_000 * speaker + n);
    return n;
  });
  for (let cuts = 1; cuts <= 20; cuts++) {
    const heard = ada.events.length;
    await ada.until(() => ada.events.length > heard + 3, "hears something");
    const { transport } = ada.socket.io.engine as unknown as { transport: { ws: { terminate(): void } } };
    if (cuts % 2 === 0) ada.socket.io.engine.close();
    else transport.ws.terminate();
    await ada.until(() => ada.connects.length > cuts, "is back");
  }
  isDone = true;
  const counts = await Promise.all(talking);
  for (const [speaker, count] of counts.entries()) await ada.hears(100_000 * speaker + count - 1);
  const all = counts.reduce((sum, n) => sum + n);
  for (const client of [ada, dan]) await client.until(() => client.events.filter(([event]) => event === "said").length >= all, "hears all");
  const [heard, whole] = [ada.said(), dan.said()] as [number[], number[]];
  expect(ada.connects).toEqual([false, ...Array(20).fill(true)]);
  for (const [speaker, count] of counts.entries()) {
    const own = heard.filter((n) => Math.floor(n / 100_000) === speaker).map((n) => n % 100_000);
    expect(own.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, n) => n));
  }
  // Those for several rooms may change places around a cut.
  const ofOneRoom = (numbers: number[]) => numbers.filter((n) => n % rooms.length !== 3);
  expect(ofOneRoom(heard)).toEqual(ofOneRoom(whole));
});

test("who disconnects, or is disconnected, comes back as somebody new; what was emitted just before has arrived once", async () => {
  const [ada, bob] = await Promise.all([connect(), connect()]);
  const ids = [ada, bob].map(({ socket }) => socket.id);
  ada.socket.disconnect();
  expect(await bob.socket.emitWithAck("kick")).toBe("first");
  await bob.until(() => bob.disconnects === 1, "is sent away");
  expect(bob.all.slice(1)).toEqual([
    ["soon", null],
    ["bye", expect.any(String)],
    ["at last", null],
  ]);
  for (const client of [ada, bob]) await client.comesBack();
  expect([ada.connects, bob.connects]).toEqual([
    [false, false],
    [false, false],
  ]);
  expect([ada, bob].map(({ socket }) => socket.id)).not.toEqual(ids);
});
