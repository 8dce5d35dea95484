// WebSockets that reach another gateway than the one of their session: they work as those that reach it.

import { afterEach, expect, test } from "vitest";
import { freePort } from "../supervisor/port.ts";
import { stretchedMs } from "../testbed/patience.ts";
import { TestClient } from "./client.ts";
import { ask, LineClient } from "./line-client.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** Two gateways. @returns where each is: of the session, and of the WebSocket. */
async function start(environment: Readonly<Record<string, string>> = {}) {
  system = await TestSystem.start({ handlers: "sessions", environment });
  const port = await freePort("127.0.0.1");
  const other = system.startGateway({ PORT: String(port) });
  await system.until(() => system.gatewayHellos.some(({ pid, serving }) => pid === other.pid && serving), "another gateway serves");
  return { other, here: `${system.url}/line/a`, there: `ws://127.0.0.1:${port}/line/a` };
}

/** A session of one gateway whose WebSocket is at another one. */
async function moved({ here, there }: { here: string; there: string }, key = "moved", query = "") {
  const poll = await LineClient.open(`${here}/${key}`, query);
  poll.answersHeartbeats();
  const id = poll.lines[0]?.replace("open ", "");
  const socket = await TestClient.open(`${there}/${key}?session=${key}`);
  socket.send("pause paused");
  await poll.until(() => poll.lines.includes("paused"), "the poll is told");
  poll.stop();
  await socket.receives(1);
  socket.send("move");
  return { id, socket };
}

const numbersOf = (client: TestClient) =>
  client.received
    .map(String)
    .filter((line) => /^\d+$/.test(line))
    .map(Number);
const closesOf = (client: TestClient) => client.received.map(String).filter((line) => line.startsWith("closed"));

test("a WebSocket at another gateway takes the session's place: nothing is lost, doubled or reordered", async () => {
  const { here, there } = await start();
  const [publisher, poll] = await Promise.all([TestClient.open(`${here}/publisher`), LineClient.open(`${here}/moves`)]);
  const id = poll.lines[0]?.replace("open ", "");
  let published = 0;
  const publishing = setInterval(() => publisher.send(`say ${++published}`), 1);
  await poll.until(() => published > 50 && poll.lines.length > 20, "publishes flow");
  const socket = await TestClient.open(`${there}/moves?session=moves`);
  socket.send("pause paused");
  await poll.until(() => poll.lines.includes("paused"), "the poll is told");
  poll.stop();
  await socket.receives(1);
  for (const message of ["move", "x", "y"]) socket.send(message);
  await socket.until(() => published > 300 && socket.received.includes(String(published)), "publishes arrive there");
  clearInterval(publishing);
  await socket.until(() => socket.received.includes(String(published)), "all of them");
  const seen = [...poll.lines, ...socket.received.map(String)];
  expect(seen.filter((line) => /^\d+$/.test(line))).toEqual(upTo(published).map(String));
  expect(socket.received.filter((line) => /^\d+ /.test(line.toString()))).toEqual(["1 pause 1", "1 x 1", "2 y 1"]);
  await poll.until(() => poll.last !== undefined || poll.lines.includes("paused"), "polls end");
  expect(await ask(`${there}/moves`)).toMatchObject({ status: 404 });
  expect(await new TestClient(`${there}/late?session=moves`).closes()).toMatchObject({ code: 1006 });
  const closes = () => closesOf(publisher);
  await publisher.until(() => closes().length === 1, "the connection beside it is closed");
  expect(closes()[0]).toMatch(/^closed \S+ 1000 $/);
  await socket.close(4002, "done");
  await publisher.until(() => closes().length === 2, "the session closes");
  expect(closes()[1]).toBe(`closed ${id} 4002 done`);
  await publisher.close();
});

test("one that closes leaves the session as it was; what the handler closes is closed behind what it has sent", async () => {
  const { here, there } = await start();
  const poll = await LineClient.open(`${here}/stays`);
  const socket = await TestClient.open(`${there}/x?session=stays`);
  socket.send("pause paused");
  await poll.until(() => poll.lines.includes("paused"), "the poll is told");
  await poll.say("x");
  await socket.close();
  await poll.until(() => poll.lines.includes("1 x 1"), "what has waited");
  poll.abort();
  const watcher = await TestClient.open(`${here}/watcher`);
  const { id, socket: piped } = await moved({ here, there });
  for (const number of upTo(3_000)) piped.send(`m${number}`);
  piped.send(Buffer.from("bytes hi"));
  piped.send("close enough");
  expect(await piped.closes()).toEqual({ code: 4000, reason: "enough" });
  const lines = piped.received
    .slice(1)
    .map(String)
    .filter((line) => !line.startsWith("closed"));
  expect(lines).toEqual([...upTo(3_000).map((number) => `${number} m${number} 1`), "hi", "3001 bytes 1", "bye", "3002 close 1"]);
  await watcher.until(() => closesOf(watcher).some((line) => line.includes(`${id}`)), "onClose runs");
  expect(closesOf(watcher).filter((line) => line.includes(`${id}`))).toEqual([`closed ${id} 4000 enough`]);
  await watcher.close();
});

test("killed workers, a deploy and a NATS that restarts: nothing is lost, doubled or reordered, and heartbeats wait for NATS", async () => {
  const { here, there } = await start();
  system.keepWorkers();
  const publisher = await TestClient.open(`${here}/publisher`);
  // Longer than any pause of a busy machine: who can answer does.
  const withinMs = Math.min(8_000, stretchedMs(2_000));
  const { socket } = await moved({ here, there }, "beats", `within=${withinMs}`);
  let beats = 0;
  socket.socket.on("message", (data: Buffer) => {
    if (String(data) !== "2") return;
    beats++;
    socket.send("3");
  });
  // To one that came before somebody listened.
  socket.send("3");
  // Heartbeats are numbers, too.
  const first = 1_000;
  let [published, said] = [0, 0];
  const talking = setInterval(() => {
    publisher.send(`say ${first + published++}`);
    socket.send(`m${++said}`);
  }, 5);
  const arrives = (what: string) => {
    const goal = first + published + 20;
    return socket.until(() => numbersOf(socket).includes(goal), what);
  };
  await arrives("before");
  await system.live("worker")[0]?.end("SIGKILL");
  await arrives("after a kill");
  await system.deploy("2");
  await arrives("after a deploy");
  await system.restartNats(withinMs + 500);
  await arrives("after NATS was away");
  const beatsThen = beats;
  await socket.until(() => beats > beatsThen, "heartbeats go on");
  clearInterval(talking);
  const answers = () => socket.received.map(String).filter((line) => / m\d+ /.test(line));
  const numbers = () => numbersOf(socket).filter((number) => number >= first);
  await socket.until(() => numbers().length >= published && answers().length >= said, "all arrive");
  expect(numbers()).toEqual(upTo(published).map((number) => first - 1 + number));
  expect(answers().map((line) => line.replace(/ \d+$/, ""))).toEqual(upTo(said).map((number) => `${number} m${number}`));
  await socket.close();
  await publisher.close();
});

test("a gateway ends: its WebSockets, and those of its sessions, are closed behind what turns have sent; each session ends once", async () => {
  const { here, there, other } = await start();
  const watcher = await TestClient.open(`${here}/watcher`);
  const two = await Promise.all([moved({ here, there }, "socket"), moved({ here: there, there: here }, "session")]);
  for (const { socket } of two) {
    socket.send("x");
    socket.send("wait 500");
  }
  await Promise.all(two.map(({ socket }) => socket.until(() => socket.received.includes("1 x 1"), "the turn has begun")));
  const ended = other.end();
  for (const { socket } of two) {
    expect(await socket.closes()).toEqual({ code: 1012, reason: "gateway.restarts" });
    expect(socket.received.filter((line) => / wait /.test(String(line)))).toEqual(["2 wait 1"]);
  }
  expect(await ended).toBe(0);
  await watcher.until(() => closesOf(watcher).length === 4, "onClose runs");
  for (const { id } of two) {
    expect(closesOf(watcher).filter((line) => line.includes(`${id}`))).toEqual([`closed ${id} 1012 gateway.restarts`]);
  }
  await watcher.close();
});

test("a gateway is killed: the session of its WebSocket ends once, as for a lost connection, and the WebSocket of its session is closed", async () => {
  const { here, there, other } = await start();
  const watcher = await TestClient.open(`${here}/watcher`);
  const two = await Promise.all([moved({ here, there }, "socket"), moved({ here: there, there: here }, "session")]);
  await watcher.until(() => closesOf(watcher).length === 2, "both have moved");
  await other.end("SIGKILL");
  expect(await two[1].socket.closes()).toEqual({ code: 1012, reason: "gateway.lost" });
  await watcher.until(() => closesOf(watcher).some((line) => line.includes(`${two[0].id}`)), "onClose runs");
  expect(closesOf(watcher).filter((line) => line.includes(`${two[0].id}`))).toEqual([`closed ${two[0].id} 1006 `]);
  await watcher.close();
});

test("it counts as a connection where it is, and as its session where that is; what its client sends is limited there", async () => {
  const { here, there, other } = await start({ MESSAGE_BYTES: "100000" });
  const watcher = await TestClient.open(`${here}/watcher`);
  const { id, socket } = await moved({ here, there });
  await watcher.until(() => closesOf(watcher).length === 1, "it has moved");
  const metrics = (isOther: boolean) =>
    Exposition.of(system.gatewayHellos.find(({ pid }) => (pid === other.pid) === isOther)?.adminPort, "/metrics");
  const [own, others] = await Promise.all([metrics(false), metrics(true)]);
  expect([own, others].map((each) => each.sum("thinstate_connections"))).toEqual([2, 0]);
  expect([own, others].map((each) => each.sum("thinstate_sessions_piped", { end: "session" }))).toEqual([1, 0]);
  expect([own, others].map((each) => each.sum("thinstate_sessions_piped", { end: "client" }))).toEqual([0, 1]);
  socket.send("x".repeat(100_001));
  expect(await socket.closes()).toEqual({ code: 1009, reason: "message.tooLarge" });
  await watcher.until(() => closesOf(watcher).length === 2, "onClose runs");
  expect(closesOf(watcher)[1]).toBe(`closed ${id} 1009 message.tooLarge`);
  await watcher.close();
});

test("a client that does not read is closed as slow, whichever gateway its session has", async () => {
  const { here, there } = await start({ BACKPRESSURE_BYTES: "200000", MESSAGE_BYTES: "100000" });
  const [watcher, publisher] = await Promise.all([TestClient.open(`${here}/watcher`), TestClient.open(`${here}/publisher`)]);
  const { id, socket } = await moved({ here, there });
  await watcher.until(() => closesOf(watcher).length === 1, "it has moved");
  socket.socket.pause();
  for (let sent = 0; closesOf(watcher).length === 1; sent++) {
    publisher.send(`say ${"x".repeat(90_000)}`);
    await watcher.until(() => watcher.received.length > sent + 2, "it arrives at others");
  }
  // The library may add why, in words of its own.
  expect(closesOf(watcher)[1]).toMatch(new RegExp(`^closed ${id} 1006 `));
  socket.breakOff();
  await Promise.all([watcher.close(), publisher.close()]);
});
