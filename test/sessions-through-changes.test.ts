// Connections whose clients speak HTTP, while everything around them is replaced, killed or away; and what ends them.

import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { freePort } from "../supervisor/port.ts";
import { TestClient } from "./client.ts";
import { ask, LineClient } from "./line-client.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";
import { TcpProxy } from "./tcp-proxy.ts";

let system: TestSystem;

afterEach(() => system.stop());

function numbers(lines: readonly string[]): number[] {
  return lines.filter((line) => /^\d+$/.test(line)).map(Number);
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

test("deploys, killed workers and a NATS that restarts, through two gateways: nothing is lost, doubled or reordered", async () => {
  system = await TestSystem.start({ handlers: "sessions", gateways: 2, workers: 2 });
  system.keepWorkers();
  const [publisher, poll, stream] = await Promise.all([
    TestClient.open(`${system.url}/line/a/publisher`),
    LineClient.open(`${system.url}/line/a/poll`),
    LineClient.open(`${system.url}/line/a/stream`, "stream&bytes=300"),
  ]);
  let published = 0;
  const publishing = setInterval(() => publisher.send(`say ${++published}`), 10);
  let said = 0;
  const saying = (async () => {
    while (said < 60) expect(await poll.say(`m${++said}`)).toBe(204);
  })();
  const arrives = (what: string) => {
    const goal = published + 20;
    const all = [poll, stream].map((client) => client.until(() => numbers(client.lines).length >= goal, what));
    return Promise.all(all);
  };
  await arrives("before");
  await system.live("worker")[0]?.end("SIGKILL");
  await arrives("after a kill");
  await system.deploy("2", { workers: 2 });
  await arrives("after a deploy");
  await system.restartNats();
  await arrives("after NATS was away");
  await system.deploy("3", { workers: 2 });
  await arrives("after another deploy");
  clearInterval(publishing);
  await saying;
  await Promise.all([poll, stream].map((client) => client.until(() => numbers(client.lines).length >= published, "all arrive")));
  expect(numbers(poll.lines)).toEqual(upTo(published));
  expect(numbers(stream.lines)).toEqual(upTo(published));
  await poll.until(() => poll.lines.filter((line) => / m\d+ /.test(line)).length >= said, "all are answered");
  const answered = poll.lines.filter((line) => / m\d+ /.test(line)).map((line) => line.replace(/ \d+$/, ""));
  expect(answered).toEqual(upTo(said).map((number) => `${number} m${number}`));
  poll.abort();
  stream.abort();
  await publisher.close();
});

test("a session is not closed as idle while a request of its client waits for a slow worker, whichever gateway it has come to", async () => {
  system = await TestSystem.start({ handlers: "sessions" });
  const port = await freePort("127.0.0.1");
  const { pid } = system.startGateway({ PORT: String(port) });
  await system.until(() => system.gatewayHellos.some((hello) => hello.pid === pid && hello.serving), "another gateway serves");
  // For some time after their start, they wait for requests that may have waited meanwhile.
  await system.until(() => system.gatewayHellos.every((hello) => hello.unansweredMs === undefined), "nothing waits");
  const watcher = await TestClient.open(`${system.url}/line/a/watcher`);
  const url = `${system.url}/line/a/slow`;
  const waiting = await LineClient.open(url, "idle=500");
  const answer = ask(`http://127.0.0.1:${port}/line/a/slow?hold`);
  await watcher.until(() => watcher.received.includes("holding"), "a worker has the request");
  waiting.abort();
  await system.until(() => system.gatewayHellos.some(({ unansweredMs = 0 }) => unansweredMs > 2_000), "it has waited for long");
  watcher.send("say still there");
  watcher.send("release");
  expect(await answer).toMatchObject({ status: 200, body: expect.stringContaining("still there") });
  // It is idle now.
  await watcher.until(() => watcher.received.some((text) => /^closed \S+ 1006/.test(String(text))), "it is closed");
  await watcher.close();
});

test("what ends a session is told to onClose once: a client that is away, one that gives up, two that receive, one that reads too slowly", async () => {
  system = await TestSystem.start({ handlers: "sessions", environment: { BACKPRESSURE_BYTES: "200000", MESSAGE_BYTES: "100000" } });
  const watch = await TestClient.open(`${system.url}/line/a/watch`);
  const closes = () => watch.received.map(String).filter((line) => line.startsWith("closed"));
  const closed = async (id: string, text: string) => {
    await watch.until(() => closes().some((line) => line.includes(id)), `${id} closes`);
    expect(closes().filter((line) => line.includes(id))).toEqual([`closed ${id} ${text}`]);
  };
  const idOf = ({ lines }: LineClient) => lines[0]?.slice("open ".length) ?? "";
  const url = `${system.url}/line/a`;

  const away = await LineClient.open(`${url}/away`, "idle=300");
  away.stop();
  await away.say("x");
  await closed(idOf(away), "1006 ");
  expect(await ask(`${url}/away`)).toMatchObject({ status: 404 });

  const gone = await LineClient.open(`${url}/gone`, "stream&gone");
  gone.abort();
  await closed(idOf(gone), "4001 given up");

  const two = await LineClient.open(`${url}/two`, "stream");
  const second = await ask(`${url}/two?closes`);
  expect(second).toMatchObject({ status: 409, body: "busy\n" });
  await two.until(() => two.lines.includes("closed by another"), "the first is told");
  await closed(idOf(two), "4009 two receivers");

  const slow = await LineClient.open(`${url}/slow`, "idle=60000&frames=1");
  slow.stop();
  await slow.say("fill 300");
  await closed(idOf(slow), "1006 ");

  const metrics = await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics");
  const ended = ["idle", "gone", "busy", "slow", "ended", "cut", "moved"].map((why) =>
    metrics.sum("thinstate_sessions_ended_total", { why }),
  );
  expect(ended).toEqual([1, 1, 1, 1, 0, 0, 0]);
  await watch.close();
});

test("a close frame, and then the last frame again, until the time is up", async () => {
  system = await TestSystem.start({ handlers: "sessions", workers: 1 });
  const url = `${system.url}/line/a/last`;
  await ask(`${url}?open&repeat&frame&linger=500`);
  await ask(url, { method: "POST", body: "close enough" });
  const first = await ask(url);
  expect(first.body).toBe('bye\n1 close 1\nc[4000,"enough"]\n');
  expect((await ask(`${url}?stream&prelude`)).body).toBe('prelude\nc[4000,"enough"]\n');
  let status = 200;
  while (status === 200) ({ status } = await ask(url));
  expect(status).toBe(404);
});

test("a gateway that ends: what waits can be fetched through another one, and polls and streams of others' sessions are not cut", async () => {
  system = await TestSystem.start({ handlers: "sessions", gateways: 2, environment: { DRAIN_MS: "120000" } });
  const [first] = system.live("gateway");
  const own = system.gatewayHellos.find(({ pid }) => pid === first?.pid)?.id ?? "?";
  const open = (key: string, query: string) => LineClient.open(`${system.url}/line/a/${key}`, query);
  const all = await Promise.all(upTo(24).map((number) => open(String(number), number % 2 ? "frame" : "frame&stream&bytes=1000000")));
  const [leaving, staying] = [true, false].map((isOwn) => all.filter(({ lines }) => lines[0]?.includes(own) === isOwn));
  if (first === undefined || leaving === undefined || staying === undefined) throw new Error("no gateways");
  expect(Math.min(leaving.length, staying.length)).toBeGreaterThan(0);
  for (const client of leaving) {
    client.abort();
    expect(await client.say("x")).toBe(204);
  }
  const ended = first.end();
  await first.says("connections are told to leave");
  const finish = leaving.map(async ({ url }) => {
    let body = "";
    while (!body.includes("c[")) body += (await ask(url)).body;
    expect(body).toBe('1 x 1\nc[1012,"gateway.restarts"]\n');
  });
  for (const client of staying) expect(await client.say("y")).toBe(204);
  await Promise.all(finish);
  expect(await ended).toBe(0);
  expect(first.output).not.toContain("ended before");
  for (const client of staying) {
    expect(await client.say("z")).toBe(204);
    await client.until(() => client.lines.includes("2 z 1"), "it goes on");
    expect(client.lines.filter((line) => /^\d/.test(line))).toEqual(["1 y 1", "2 z 1"]);
    expect(client.last).toBeUndefined();
    client.abort();
  }
});

test("a session whose gateway is on its way to another NATS server is not missing", async () => {
  system = await TestSystem.start({ handlers: "sessions", gateways: 0, workers: 0 });
  const wire = await TcpProxy.start(system.nats.url);
  try {
    const cutOff = system.startGateway({ NATS_URL: wire.url });
    const other = await freePort("127.0.0.1");
    system.startGateway({ PORT: String(other) });
    system.startWorker("1");
    await system.until(() => system.gatewayHellos.length === 2 && system.workerHellos.length === 1, "every process says hello");
    await system.activate("1");
    const own = await LineClient.open(`${system.url}/line/a/there`);
    own.abort();
    wire.cut();
    await cutOff.says("NATS is gone");
    const said = ask(`http://127.0.0.1:${other}/line/a/there`, { method: "POST", body: "x" });
    // For longer than an answer takes without this, and shorter than the 5 s for which it is looked for.
    await pause(1_000);
    wire.mend();
    expect((await said).status).toBe(204);
  } finally {
    await system.stop();
    await wire.stop();
  }
});

test("a gateway that is killed takes its sessions with it: polls through another one are cut off, and the next is told so", async () => {
  system = await TestSystem.start({ handlers: "sessions", gateways: 2 });
  const clients = await Promise.all(upTo(12).map((number) => LineClient.open(`${system.url}/line/a/${number}`)));
  const [first] = system.live("gateway");
  await first?.end("SIGKILL");
  const [other] = system.gatewayHellos.filter(({ pid }) => pid !== first?.pid);
  const lost = clients.filter(({ lines }) => !lines[0]?.includes(other?.id ?? "?"));
  // All of them first: one that hears that its session is gone opens another.
  for (const client of clients) client.abort();
  for (const { url } of lost) expect((await ask(url)).status).toBe(404);
  expect(lost.length).toBeGreaterThan(0);
});
