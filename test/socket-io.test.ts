// Socket.IO's own client on a running system: nothing that is done to workers and to NATS is noticed by it.

import { io, type Socket } from "socket.io-client";
import { afterEach, expect, test } from "vitest";
import { patienceMs } from "../testbed/patience.ts";
import { Signal } from "../testbed/signal.ts";
import { TestClient } from "./client.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;
const clients: Client[] = [];

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.disconnect();
  await system.stop();
});

class Client {
  readonly socket: Socket;
  readonly events: unknown[][] = [];
  readonly disconnects: string[] = [];
  private readonly signal = new Signal();

  constructor(name: string, transports: string[], path = "/work/") {
    const url = system.url.replace("ws:", "http:");
    this.socket = io(url, { path, transports, forceNew: true, auth: { name }, reconnectionDelay: 10 });
    clients.push(this);
    this.socket.onAny((...event: unknown[]) => {
      this.events.push(event);
      this.signal.tell();
    });
    this.socket.on("connect", () => this.signal.tell());
    this.socket.on("disconnect", (reason) => {
      this.disconnects.push(reason);
      this.signal.tell();
    });
  }

  until(condition: () => boolean, what: string): Promise<void> {
    return this.signal.until(
      condition,
      () => `${what}; events: ${JSON.stringify(this.events.slice(-5))}, disconnects: ${this.disconnects}`,
      patienceMs,
    );
  }

  /** The arguments of all events of a name. */
  of(name: string): unknown[][] {
    return this.events.filter(([event]) => event === name).map(([, ...args]) => args);
  }

  gets(name: string, times = 1): Promise<void> {
    return this.until(() => this.of(name).length >= times, `gets ${name} ${times} times`);
  }
}

async function connect(name: string, transports = ["websocket"]): Promise<Client> {
  const client = new Client(name, transports);
  await client.gets("welcome");
  return client;
}

test("five deploys, killed workers and a killed NATS: nothing is lost, doubled or reordered, and nobody is disconnected", async () => {
  system = await TestSystem.start({ handlers: "socket-io", workers: 2 });
  const all = await Promise.all([["websocket"], ["polling", "websocket"], ["polling"]].map((ways, index) => connect(`c${index}`, ways)));
  let isDone = false;
  const counts = all.map(async ({ socket }) => {
    let n = 0;
    // Several are under way at once.
    for (; !isDone; n += 4) {
      const answers = await Promise.all([1, 2, 3, 4].map((more) => socket.emitWithAck("say", n + more)));
      expect(answers).toEqual([n + 1, n + 2, n + 3, n + 4]);
    }
    return n;
  });
  for (let release = 2; release <= 6; release++) await system.deploy(String(release), { workers: 2 });
  system.keepWorkers();
  await system.live("worker")[0]?.end("SIGKILL");
  await system.until(() => system.live("worker").length === 2, "another worker is started");
  await system.restartNats();
  await all[0]?.socket.emitWithAck("pass", 1);
  isDone = true;
  const said = await Promise.all(counts);
  for (const client of all) {
    await client.gets(
      "said",
      said.reduce((sum, n) => sum + n),
    );
    for (const [index, n] of said.entries()) {
      const heard = client.of("said").filter(([name]) => name === `c${index}`);
      expect(heard.map(([, number]) => number)).toEqual(Array.from({ length: n }, (_, at) => at + 1));
    }
    expect(client.of("welcome")).toEqual([[true]]);
    expect(client.disconnects).toEqual([]);
  }
  expect(all.map(({ socket }) => socket.io.engine.transport.name)).toEqual(["websocket", "websocket", "polling"]);
});

test("with several gateways, clients that begin with long-polling move to WebSocket, whichever gateway that reaches", async () => {
  system = await TestSystem.start({ handlers: "socket-io", gateways: 2 });
  const names = Array.from({ length: 24 }, (_, index) => `client ${index}`);
  const all = await Promise.all(names.map((name) => connect(name, ["polling", "websocket"])));
  const transport = ({ socket }: Client) => socket.io.engine.transport.name;
  for (let number = 0; all.some((client) => transport(client) !== "websocket") || number < 50; number++) {
    const answers = await Promise.all(all.map(({ socket }) => socket.emitWithAck("pass", number)));
    expect(answers).toEqual(all.map(() => number));
  }
  const expositions = await Promise.all(system.gatewayHellos.map(({ adminPort }) => Exposition.of(adminPort, "/metrics")));
  const piped = expositions.map((each) => each.sum("thinstate_sessions_piped", { end: "client" }));
  expect(piped.reduce((sum, count) => sum + count)).toBeGreaterThan(0);
  expect(all.flatMap(({ disconnects }) => disconnects)).toEqual([]);
});

test("a callback is called by the worker that is there when the client answers, or with an error when it is too late", async () => {
  system = await TestSystem.start({ handlers: "socket-io" });
  const ada = await connect("ada");
  const answers: Array<(text: string) => void> = [];
  ada.socket.on("question", (answer) => answers.push(answer));
  ada.socket.emit("ask", 3_600_000);
  await ada.gets("question");
  await system.deploy("2");
  answers[0]?.("yes");
  answers[0]?.("yes, again");
  await ada.gets("heard");
  ada.socket.emit("ask", 1);
  await ada.gets("heard", 2);
  expect(ada.of("heard")).toEqual([
    [null, "yes"],
    ["operation has timed out", null],
  ]);
});

test("sockets are reached by their rooms, wherever they are", async () => {
  system = await TestSystem.start({ handlers: "socket-io", gateways: 2, workers: 2 });
  const [ada, bob, cyd] = (await Promise.all(["ada", "bob", "cyd"].map((name) => connect(name)))) as [Client, Client, Client];
  const run = (what: string, rooms: string[], except: string[] = []) => ada.socket.emitWithAck("run", { what, rooms, except });
  await Promise.all([ada.socket.emitWithAck("join", "a"), bob.socket.emitWithAck("join", "b"), cyd.socket.emitWithAck("join", "c")]);
  await Promise.all([ada, bob, cyd].map(({ socket }, index) => socket.emitWithAck("say", index)));
  await run("one", ["a"]);
  await run("two", ["a", "b", "all"], ["c"]);
  await run("three", ["a", "b"]);
  await run("join", ["b", "c"]);
  await Promise.all([bob, cyd].map(({ socket }) => socket.emitWithAck("pass", "behind it")));
  await run("four", ["later"]);
  await run("five", [], [bob.socket.id ?? ""]);
  expect(((await run("fetch", ["later", "a"])) as number[]).sort()).toEqual([0, 1, 2]);
  await Promise.all([ada.gets("told", 4), bob.gets("told", 3), cyd.gets("told", 2)]);
  expect(ada.of("told").flat()).toEqual(["one", "two", "three", "five"]);
  expect(bob.of("told").flat()).toEqual(["two", "three", "four"]);
  expect(cyd.of("told").flat()).toEqual(["four", "five"]);
  await run("disconnect", ["b"]);
  await ada.gets("left");
  await bob.until(() => bob.disconnects.length > 0, "is disconnected");
  expect([ada.of("left"), bob.disconnects]).toEqual([[["bob", "server namespace disconnect"]], ["io server disconnect"]]);
  cyd.socket.disconnect();
  await ada.gets("left", 2);
  expect(ada.of("left")[1]).toEqual(["cyd", "client namespace disconnect"]);
});

test("a gateway that ends: its clients come back to the next one", async () => {
  system = await TestSystem.start({ handlers: "socket-io" });
  const ada = await connect("ada");
  await system.live("gateway")[0]?.end();
  system.startGateway();
  await ada.gets("welcome", 2);
  expect(ada.disconnects).toEqual(["transport close"]);
  expect(await ada.socket.emitWithAck("pass", "again")).toBe("again");
});

test("a session that is a WebSocket now takes no second one; of one whose client does not answer, nothing can be fetched", async () => {
  system = await TestSystem.start({ handlers: "socket-io" });
  const address = `${system.url}/engine.io/?EIO=4`;
  const poll = async (sid = "") => fetch(`${address.replace("ws:", "http:")}&transport=polling${sid}`);
  const open = async () => `&sid=${(JSON.parse((await (await poll()).text()).slice(1)) as { sid: string }).sid}`;
  const sid = await open();
  const socket = await TestClient.open(`${address}&transport=websocket${sid}`);
  socket.socket.on("message", (packet: Buffer) => packet.toString() === "2" && socket.send("3"));
  socket.send("2probe");
  socket.send("5");
  socket.send("4hello");
  await socket.until(() => socket.received.includes("4hello"), "the session answers");
  const second = await TestClient.open(`${address}&transport=websocket${sid}`);
  expect(await second.closes()).toEqual({ code: 1008, reason: "session.unknown" });
  expect((await poll(sid)).status).toBe(400);
  await socket.close();
  const silent = await open();
  // Nothing of it is heard until it is closed: what could be fetched then would be the ping that was not answered.
  const metrics = `http://127.0.0.1:${system.gatewayHellos[0]?.adminPort}/metrics`;
  const unanswered = async () => /^thinstate_heartbeats_unanswered_total 1$/m.test(await (await fetch(metrics)).text());
  await expect.poll(unanswered, { timeout: patienceMs }).toBe(true);
  expect((await poll(silent)).status).toBe(400);
});

test("what a client of long-polling has to say at once arrives, also where maxHttpBufferSize is above MESSAGE_BYTES", async () => {
  system = await TestSystem.start({ handlers: "socket-io" });
  const client = new Client("ada", ["polling"], "/socket.io/");
  await client.gets("auth");
  const numbers = Array.from({ length: 60 }, (_, number) => number);
  const text = "x".repeat(5_000);
  const answers = await Promise.all(numbers.map((number) => client.socket.emitWithAck("message-with-ack", number, text)));
  expect(answers).toEqual(numbers);
  expect(client.disconnects).toEqual([]);
  const warning = "maxHttpBufferSize is 1000000, and MESSAGE_BYTES 262144";
  expect(system.live("worker")[0]?.output).toContain(warning);
});

test("a deploy waits for the attachments of a packet that are under way", async () => {
  system = await TestSystem.start({ handlers: "socket-io" });
  const client = await TestClient.open(`${system.url}/work/?EIO=4&transport=websocket`);
  client.send('40{"name":"raw"}');
  await client.until(() => client.received.some((frame) => String(frame).includes('"welcome"')), "it is welcome");
  const before = client.received.length;
  const parts = [Buffer.alloc(100_000, "a"), Buffer.alloc(50_000, "b")] as const;
  client.send('452-0["pass",[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]]');
  client.send(parts[0]);
  const deployed = system.deploy("2");
  const waits = () => system.gatewayHellos.some(({ handover }) => handover?.generation === 2 && handover.remaining === 1);
  await system.until(waits, "the hand-over waits");
  client.send(parts[1]);
  await client.receives(before + 3);
  expect(client.received.slice(before)).toEqual(['462-0[[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]]', ...parts]);
  await deployed;
  client.send('421["pass","more"]');
  await client.receives(before + 4);
  expect(client.received.at(-1)).toBe('431["more"]');
});
