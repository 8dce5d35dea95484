// Connections whose clients speak HTTP, on a running system: they are connections like any other, through deploys and kills.

import { afterEach, expect, test } from "vitest";
import { freePort } from "../supervisor/port.ts";
import { TestClient } from "./client.ts";
import { ask, LineClient } from "./line-client.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

let system: TestSystem;

afterEach(() => system.stop());

function start(options: { workers?: number; gateways?: number; environment?: Readonly<Record<string, string>> } = {}): Promise<TestSystem> {
  return TestSystem.start({ handlers: "sessions", ...options });
}

test("frames wait until a poll fetches them, in order, together; messages go the other way", async () => {
  system = await start();
  const url = `${system.url}/line/a/one`;
  const opened = await ask(`${url}?open`);
  expect(opened).toMatchObject({ status: 200, headers: { "content-type": "text/plain" }, body: expect.stringMatching(/^open \S+\n$/) });
  expect((await ask(url, { method: "POST", body: "x\ny\nbytes hi\n" })).status).toBe(204);
  const client = new LineClient(url);
  await client.receives(4);
  expect(client.lines).toEqual(["1 x 1", "2 y 1", "baGk=", "3 bytes 1"]);
  const metrics = await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics");
  expect(metrics.sum("thinstate_sessions")).toBe(1);
  expect(metrics.sum("thinstate_sessions_waiting_frames")).toBe(0);
  client.abort();
});

test("nobody has this key: the handler's answer, or onRequest is asked again", async () => {
  system = await start();
  const url = `${system.url}/line/a/none`;
  expect(await ask(url)).toMatchObject({ status: 404, body: "no session\n" });
  expect(await ask(url, { method: "POST", body: "x" })).toMatchObject({ status: 404, body: "no session\n" });
});

test("its topics are those of WebSockets, both ways; onClose runs once, with the code of conn.close", async () => {
  system = await start();
  const [socket, poll] = await Promise.all([TestClient.open(`${system.url}/line/a/socket`), LineClient.open(`${system.url}/line/a/poll`)]);
  await socket.receives(1);
  socket.send("say from the socket");
  await poll.receives(2);
  await poll.say("say from the poll", "close enough");
  await poll.until(() => poll.lines.includes("2 close 1"), "it closes");
  await socket.until(() => socket.received.some((text) => text.toString().startsWith("closed")), "onClose");
  expect(poll.lines.slice(1)).toEqual(["from the socket", "1 say 1", "bye", "2 close 1"]);
  expect(socket.received.slice(1)).toEqual(["1 say 1", "from the poll", expect.stringMatching(/^closed \S+ 4000 enough$/)]);
  await socket.close();
});

test("a WebSocket takes the session's place: nothing is lost, doubled or reordered, and onClose runs once for each", async () => {
  system = await start();
  const [publisher, poll] = await Promise.all([
    TestClient.open(`${system.url}/line/a/publisher`),
    LineClient.open(`${system.url}/line/a/moves`),
  ]);
  const id = poll.lines[0]?.replace("open ", "");
  let published = 0;
  const publishing = setInterval(() => publisher.send(`say ${++published}`), 1);
  await poll.until(() => published > 50 && poll.lines.length > 20, "publishes flow");
  const socket = await TestClient.open(`${system.url}/line/a/moves?session=moves`);
  socket.send("pause paused");
  await poll.until(() => poll.lines.includes("paused"), "the poll is told");
  poll.stop();
  await socket.receives(1);
  for (const message of ["move", "x", "y"]) socket.send(message);
  await socket.until(() => published > 300 && socket.received.includes(String(published)), "publishes arrive there");
  clearInterval(publishing);
  await socket.until(() => socket.received.includes(String(published)), "all of them");
  const seen = [...poll.lines, ...socket.received.map(String)];
  expect(seen.filter((line) => /^\d+$/.test(line))).toEqual(Array.from({ length: published }, (_, index) => String(index + 1)));
  expect(socket.received.filter((line) => /^\d+ /.test(line.toString()))).toEqual(["1 pause 1", "1 x 1", "2 y 1"]);
  await poll.until(() => poll.last !== undefined || poll.lines.includes("paused"), "polls end");
  expect(await ask(`${system.url}/line/a/moves`)).toMatchObject({ status: 404 });
  const late = await TestClient.open(`${system.url}/line/b/late?session=moves`);
  expect(await late.closes()).toEqual({ code: 1008, reason: "session.unknown" });
  const closes = () => publisher.received.filter((line) => line.toString().startsWith("closed"));
  await publisher.until(() => closes().length === 1, "the connection beside it is closed");
  expect(closes()[0]).toMatch(/^closed \S+ 1000 $/);
  await socket.close(4002, "done");
  await publisher.until(() => closes().length === 2, "the session closes");
  expect(closes()[1]).toBe(`closed ${id} 4002 done`);
  await publisher.close();
});

test("a WebSocket beside a session that is not there is refused; one that closes leaves the session as it was", async () => {
  system = await start();
  const refused = new TestClient(`${system.url}/line/a/x?session=none`);
  expect(await refused.closes()).toMatchObject({ code: 1006 });
  const poll = await LineClient.open(`${system.url}/line/a/stays`);
  const socket = await TestClient.open(`${system.url}/line/a/x?session=stays`);
  socket.send("pause paused");
  await poll.until(() => poll.lines.includes("paused"), "the poll is told");
  await poll.say("x");
  await socket.close();
  await poll.until(() => poll.lines.includes("1 x 1"), "what has waited");
  poll.abort();
});

test.each([{ CONNECTIONS: "3" }, { ADDRESS_CONNECTIONS: "3", UNLIMITED_ADDRESSES: "none" }])(
  "a client that is in goes on when others have filled %o, and opens no more",
  async (environment) => {
    system = await start({ environment });
    const url = `${system.url}/line/a`;
    await ask(`${url}/in?open`);
    const others = [await TestClient.open(`${url}/other`)];
    while (others.at(-1)?.isOpen) others.push(await TestClient.open(`${url}/other`));
    const poll = new LineClient(`${url}/in`);
    for (let number = 1; number <= 10; number++) {
      expect(await poll.say("x")).toBe(204);
      await poll.receives(number);
    }
    expect([429, 503]).toContain((await ask(`${url}/more?open`)).status);
    poll.abort();
    await Promise.all(others.map((other) => other.close()));
  },
);

test("plain answers that take long leave the room that their address's sessions have", async () => {
  system = await start({ environment: { ADDRESS_CONNECTIONS: "4", UNLIMITED_ADDRESSES: "none" } });
  const url = `${system.url}/line/a`;
  await ask(`${url}/in?open`);
  const ending = new AbortController();
  const plain = () => fetch(`${url.replace(/^ws/, "http")}/any?plain`, { signal: ending.signal });
  const statuses: number[] = [];
  while (statuses.at(-1) !== 429) statuses.push((await plain()).status);
  expect(statuses).toEqual([200, 200, 200, 429]);
  const poll = new LineClient(`${url}/in`);
  expect(await poll.say("x")).toBe(204);
  await poll.receives(1);
  poll.abort();
  ending.abort();
});

test("a session goes on through another gateway that is full, from its client's first requests on; none opens there", async () => {
  system = await start();
  const port = await freePort("127.0.0.1");
  const { pid } = system.startGateway({ PORT: String(port), CONNECTIONS: "1" });
  await system.until(() => system.gatewayHellos.some((hello) => hello.pid === pid && hello.serving), "another gateway serves");
  const full = `ws://127.0.0.1:${port}/line/a`;
  const other = await TestClient.open(`${full}/other`);
  const opened = await ask(`${system.url}/line/a/in?open`);
  expect(opened.status).toBe(200);
  const poll = new LineClient(`${full}/in`);
  for (let number = 1; number <= 3; number++) {
    expect(await poll.say("x")).toBe(204);
    await poll.receives(number);
  }
  expect((await ask(`${full}/more?open`)).status).toBe(503);
  poll.abort();
  await other.close();
});

test("a WebSocket that is closed behind the message that moves it ends the session, after what was sent there", async () => {
  system = await start();
  const [other, poll] = await Promise.all([TestClient.open(`${system.url}/line/a/other`), LineClient.open(`${system.url}/line/a/leaves`)]);
  const id = poll.lines[0]?.replace("open ", "");
  const socket = await TestClient.open(`${system.url}/line/b/leaves?session=leaves`);
  socket.send("pause paused");
  await poll.until(() => poll.lines.includes("paused"), "the poll is told");
  poll.stop();
  for (const message of ["move", "say one", "say two"]) socket.send(message);
  await socket.close(4002, "gone");
  await other.receives(4);
  expect(other.received.slice(1)).toEqual(["one", "two", `closed ${id} 4002 gone`]);
  await other.close();
});

test("polls and messages reach a session through any gateway: each frame once and in order, each message once", async () => {
  system = await start({ gateways: 2, workers: 2 });
  const url = `${system.url}/line/a/any`;
  const publisher = await TestClient.open(`${system.url}/line/a/publisher`);
  const poll = await LineClient.open(url);
  for (let number = 1; number <= 100; number++) {
    publisher.send(`say published-${number}`);
    expect(await poll.say(`x`)).toBe(204);
  }
  await poll.until(() => poll.lines.includes("published-100") && poll.lines.includes("100 x 1"), "all arrive");
  const published = poll.lines.filter((line) => line.startsWith("published"));
  expect(published).toEqual(Array.from({ length: 100 }, (_, index) => `published-${index + 1}`));
  const answers = poll.lines.filter((line) => / x /.test(line));
  expect(answers).toEqual(Array.from({ length: 100 }, (_, index) => `${index + 1} x 1`));
  poll.abort();
  await publisher.close();
});
