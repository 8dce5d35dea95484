// How much clients may do: messages, bytes and pings of a connection, an address and a user; upgrades, failed upgrades, requests and
// connections of an address; and how many there may be.

import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { loadLibrary } from "../gateway/uws/library.ts";
import { refusal, TestClient } from "./client.ts";
import { Exposition } from "./prometheus.ts";
import { TestSystem } from "./system.ts";

/** Has a worker for the gateways of all tests but those that need another one. */
let shared: TestSystem;
let system: TestSystem;

beforeAll(async () => {
  shared = await TestSystem.start({ gateways: 0 });
});

afterAll(() => shared.stop());

afterEach(async () => {
  if (system !== shared) return system.stop();
  await Promise.all(system.live("gateway").map((gateway) => gateway.end()));
  await system.until(() => system.gatewayHellos.length === 0, "the gateway has said goodbye");
});

/** A gateway: our own address has limits, and a proxy of ours tells others. */
async function start(environment: Record<string, string>): Promise<void> {
  system = shared;
  system.startGateway({ UNLIMITED_ADDRESSES: "none", ...environment });
  await system.until(() => system.gatewayHellos.length === 1, "the gateway says hello");
  await system.activate("1");
}

const proxied = { TRUSTED_PROXIES: "127.0.0.1" };
const from = (ip: string) => ({ headers: { "x-forwarded-for": ip } });
const ask = () => system.url.replace("ws", "http");

/** So many that they come faster than one a second, however busy the machine is. */
const atOnce = Array.from({ length: 40 }, (_, index) => index);

async function passed(): Promise<Record<string, number>> {
  const metrics = await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics");
  return Object.fromEntries(
    metrics.having("thinstate_client_limits_passed_total").map(({ labels, value }) => [`${labels.by} ${labels.what}`, value]),
  );
}

/** Sends until it is closed. */
async function flood(client: TestClient, message: string | Buffer = "x"): Promise<{ code: number; reason: string }> {
  while (client.isOpen) {
    for (let count = 0; count < 20; count++) if (client.isOpen) client.send(message);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return client.closes();
}

describe("what a connection sends", () => {
  test("messages beyond its rate close it with 1008; a slower one stays", async () => {
    await start({ MESSAGES_PER_SECOND: "10", ADDRESS_FACTOR: "1000" });
    const slow = await TestClient.open(`${system.url}/echo`);
    const fast = await TestClient.open(`${system.url}/echo`);
    expect(await flood(fast)).toEqual({ code: 1008, reason: "rate.sent" });
    slow.send("still there");
    await slow.receives(1);
    expect(await passed()).toEqual({ "connection messages": 1 });
    await slow.close();
  });

  test("bytes", async () => {
    await start({ BYTES_PER_SECOND: "1000", ADDRESS_FACTOR: "1000" });
    expect(await flood(await TestClient.open(`${system.url}/echo`), Buffer.alloc(1_000))).toEqual({ code: 1008, reason: "rate.sent" });
    expect(await passed()).toEqual({ "connection bytes": 1 });
  });

  test.each(["ping", "pong"] as const)("a %s without end", async (kind) => {
    await start({ PINGS_PER_SECOND: "1", ADDRESS_FACTOR: "1000" });
    const client = await TestClient.open(`${system.url}/echo`);
    for (let count = 0; count < 20; count++) client.socket[kind]();
    expect(await client.closes()).toEqual({ code: 1008, reason: "rate.sent" });
    expect(await passed()).toEqual({ "connection pings": 1 });
  });
});

/** As many as are counted before the clock is looked at: one more closes the connection, where that is too many. */
const few = 31;

test("what a client answers to pings of the gateway's own is no ping of its: a publish that leaves it out may take one", async () => {
  await start({ PINGS_PER_SECOND: "1" });
  const clients = await Promise.all(atOnce.slice(0, 3).map(() => TestClient.open(`${system.url}/script/a`)));
  for (const client of clients) client.send(JSON.stringify([{ do: "subscribe", topic: "t" }, { do: "tell" }]));
  await Promise.all(clients.map((client) => client.receives(1)));
  const [publisher, ...others] = clients;
  const except = others.map((client) => (JSON.parse(String(client.received[0])) as { id: string }).id);
  const publishes = atOnce.map(() => ({ do: "publish", topic: "t", data: "x", except }));
  publisher?.send(JSON.stringify([...publishes, { do: "publish", topic: "t", data: "after" }]));
  for (const client of others) {
    await client.until(() => client.received.includes("after") || !client.isOpen, "all pings");
    // Behind its pongs.
    if (client.isOpen) client.send(JSON.stringify([{ do: "send", data: "still here" }]));
    await client.until(() => client.received.includes("still here") || !client.isOpen, "it is there, or closed");
  }
  expect(others.map(({ closed }) => closed)).toEqual([undefined, undefined]);
  await Promise.all(clients.map((client) => client.close()));
});

test("a client that leaves a thousand pings unanswered saves up no more pongs", async () => {
  await start({ PINGS_PER_SECOND: "1" });
  const socket = new WebSocket(`${system.url}/script/a`, { autoPong: false });
  await once(socket, "open");
  // Leaving a topic takes a ping.
  const leave = [
    { do: "subscribe", topic: "t" },
    { do: "unsubscribe", topic: "t" },
  ];
  const pings = 1_100;
  let count = 0;
  const pinged = new Promise<void>((resolve) => {
    socket.on("ping", () => {
      count++;
      if (count === pings) resolve();
    });
  });
  for (let turn = 0; turn < pings / 100; turn++) socket.send(JSON.stringify(Array(100).fill(leave).flat()));
  await pinged;
  const ended = Promise.race([once(socket, "close"), once(socket, "message")]);
  for (let answer = 0; answer < pings; answer++) socket.pong();
  socket.send(JSON.stringify([{ do: "send", data: "still here" }]));
  expect((await ended).map(String)).toEqual(["1008", "rate.sent"]);
  socket.terminate();
});

test("what an address sends is remembered when its connection is closed, and holds for no other address", async () => {
  await start({ ...proxied, MESSAGES_PER_SECOND: "1", ADDRESS_FACTOR: "1" });
  const sends = async (ip: string, count: number) => {
    const client = await TestClient.open(`${system.url}/echo`, from(ip));
    for (let sent = 0; sent < count; sent++) client.send("x");
    return client;
  };
  await (await sends("2001:db8::1", few)).close();
  const other = await sends("2001:db8:0:1::1", few + 1);
  await other.receives(few + 1);
  const neighbour = await sends("2001:db8::ffff:1", few + 1);
  expect(await neighbour.closes()).toEqual({ code: 1008, reason: "rate.sent" });
  expect(await passed()).toEqual({ "address messages": 1 });
  await other.close();
});

test("what a user sends counts for all of its connections, whatever their addresses", async () => {
  await start({ ...proxied, MESSAGES_PER_SECOND: "1", USER_FACTOR: "1" });
  const open = (ip: string) =>
    TestClient.open(`${system.url}/gate/in?q=q`, { headers: { ...from(ip).headers, cookie: "c=jo" }, subprotocols: ["v1"] });
  const [first, second] = [await open("192.0.2.1"), await open("192.0.2.2")];
  for (let sent = 0; sent < few; sent++) first.send("x");
  await first.close();
  for (let sent = 0; sent <= few; sent++) second.send("x");
  expect(await second.closes()).toEqual({ code: 1008, reason: "rate.sent" });
  expect(await passed()).toEqual({ "user messages": 1 });
});

describe("who comes", () => {
  test("an address has no more connections than it may; where one is closed, another may come", async () => {
    await start({ ...proxied, ADDRESS_CONNECTIONS: "2" });
    const url = `${system.url}/echo`;
    const clients = [await TestClient.open(url, from("192.0.2.1")), await TestClient.open(url, from("192.0.2.1"))];
    const answer = await refusal(url, from("192.0.2.1"));
    expect(answer).toMatchObject({ status: 429, body: expect.stringContaining("address.connections"), headers: { "retry-after": "5" } });
    await (await TestClient.open(url, from("192.0.2.2"))).close();
    await clients.pop()?.close();
    await (await TestClient.open(url, from("192.0.2.1"))).close();
    expect(await passed()).toEqual({ "address connections": 1 });
    await clients.pop()?.close();
  });

  test("a request counts as a connection of its address until all of its answer has been given", async () => {
    const environment = { UNLIMITED_ADDRESSES: "none", ...proxied, ADDRESS_CONNECTIONS: "2" };
    system = await TestSystem.start({ handlers: "http", environment });
    const streams = [new AbortController(), new AbortController()];
    for (const { signal } of streams) await fetch(`${ask()}/stream/events`, { ...from("192.0.2.1"), signal });
    expect((await fetch(`${ask()}/plain`, from("192.0.2.1"))).status).toBe(429);
    expect((await fetch(`${ask()}/plain`, from("192.0.2.2"))).status).toBe(200);
    streams.pop()?.abort();
    // The gateway hears of it a little later.
    while ((await fetch(`${ask()}/plain`, from("192.0.2.1"))).status === 429) await new Promise((resolve) => setImmediate(resolve));
    for (let count = 0; count < 5; count++) expect((await fetch(`${ask()}/plain`, from("192.0.2.1"))).status).toBe(200);
    expect(Object.keys(await passed())).toEqual(["address connections"]);
    streams.pop()?.abort();
  });

  test("behind a proxy that is not in TRUSTED_PROXIES, the log asks whether it is one", async () => {
    await start({ ADDRESS_CONNECTIONS: "1" });
    const client = await TestClient.open(`${system.url}/echo`, from("192.0.2.1"));
    expect(await refusal(`${system.url}/echo`)).toMatchObject({ status: 429 });
    expect(await refusal(`${system.url}/echo`, from("192.0.2.1"))).toMatchObject({ status: 429 });
    const [gateway] = system.live("gateway");
    await gateway?.says("is this a proxy?");
    expect(gateway?.logged("refused with 429").map(({ code, limit, msg }) => [code, limit, msg])).toEqual([
      ["address.connections", "ADDRESS_CONNECTIONS", "refused with 429"],
      ["address.connections", "ADDRESS_CONNECTIONS", "refused with 429: is this a proxy? TRUSTED_PROXIES does not have it"],
    ]);
    await client.close();
  });

  test("a proxy that names no client has no limits, and the log says which header is missing, a few times", async () => {
    await start({ ...proxied, ADDRESS_CONNECTIONS: "1" });
    for (const client of await Promise.all(atOnce.map(() => TestClient.open(`${system.url}/echo`)))) client.breakOff();
    const [gateway] = system.live("gateway");
    await gateway?.end();
    const lines = gateway?.logged("a proxy names no client");
    expect(lines).toHaveLength(6);
    expect(lines?.[0]).toMatchObject({ reason: "X-Forwarded-For is missing", ip: "127.0.0.1" });
    expect(lines?.[5]).toMatchObject({ leftOut: atOnce.length - 5 });
  });

  test("upgrades that follow each other too fast are refused with 429", async () => {
    await start({ UPGRADES_PER_SECOND: "1", FAILED_UPGRADES_PER_SECOND: "0" });
    const clients = await Promise.all(atOnce.map(() => TestClient.open(`${system.url}/echo`)));
    expect(await refusal(`${system.url}/echo`)).toMatchObject({ status: 429, body: expect.stringContaining("rate.requests") });
    expect(clients.filter(({ isOpen }) => isOpen).length).toBeGreaterThan(4);
    for (const client of clients) client.breakOff();
  });

  test("so are those of one user, from wherever", async () => {
    await start({ ...proxied, UPGRADES_PER_SECOND: "1" });
    const url = `${system.url}/gate/in?q=q`;
    const options = (count: number) => ({ headers: { ...from(`192.0.2.${count}`).headers, cookie: "c=jo" }, subprotocols: ["v1"] });
    const clients = await Promise.all(atOnce.map((count) => TestClient.open(url, options(count))));
    expect(await refusal(url, options(99))).toMatchObject({ status: 429 });
    expect(await passed()).toEqual({ "user upgrades": expect.any(Number) });
    for (const client of clients) client.breakOff();
  });

  test("an address whose upgrades fail is refused with 429, whatever it asks for; others are not", async () => {
    await start({ ...proxied, FAILED_UPGRADES_PER_SECOND: "1" });
    const status = async () => (await refusal(`${system.url}/nowhere`, from("192.0.2.1"))).status;
    const statuses = await Promise.all(atOnce.map(status));
    expect([...new Set(statuses)].sort()).toEqual([404, 429]);
    await (await TestClient.open(`${system.url}/echo`, from("192.0.2.2"))).close();
  });

  test.each([
    ["closed with 1009", 1_025],
    ["cut off by the library", 70_000],
  ])("connections that were %s for what they sent count as failed upgrades", async (_, bytes) => {
    await start({ ...proxied, FAILED_UPGRADES_PER_SECOND: "1", MESSAGE_BYTES: "1024" });
    const clients = await Promise.all(atOnce.map(() => TestClient.open(`${system.url}/echo`, from("192.0.2.1"))));
    for (const client of clients) client.send("x".repeat(bytes));
    await Promise.all(clients.map((client) => client.closes()));
    expect((await refusal(`${system.url}/echo`, from("192.0.2.1"))).status).toBe(429);
    await (await TestClient.open(`${system.url}/echo`, from("192.0.2.2"))).close();
  });

  test("an address that goes on although it is refused is cut off without an answer", async () => {
    await start({ FAILED_UPGRADES_PER_SECOND: "1" });
    const errors: string[] = [];
    // Those that have connected before the first of them is refused are all answered.
    while (errors.length === 0) {
      const answers = await Promise.allSettled([...atOnce, ...atOnce, ...atOnce].map(() => refusal(`${system.url}/nowhere`)));
      errors.push(...answers.flatMap((answer) => (answer.status === "rejected" ? [String(answer.reason)] : [])));
    }
    expect(errors[0]).toMatch(/socket hang up|ECONNRESET/);
    expect(await passed()).toHaveProperty(["address refusals"]);
  });

  // Linux has the whole network 127.0.0.0/8; 20.30 does not tell of such sockets.
  test.runIf(process.platform === "linux" && loadLibrary().version === "20.69")(
    "sockets that ask for nothing: an address may connect as often as it may ask",
    async () => {
      await start({ UPGRADES_PER_SECOND: "1", REQUESTS_PER_SECOND: "1" });
      const sockets = atOnce.map(() => connect(system.port, "127.0.0.1").on("error", () => undefined));
      await Promise.race(sockets.map((socket) => once(socket, "close")));
      expect(await passed()).toEqual({ "address sockets": expect.any(Number) });
      const client = await TestClient.open(`${system.url}/echo`, { tls: { rejectUnauthorized: false, localAddress: "127.0.0.2" } });
      await client.close();
      for (const socket of sockets) socket.destroy();
    },
  );

  test("requests", async () => {
    await start({ REQUESTS_PER_SECOND: "1" });
    const answers = await Promise.allSettled(atOnce.map(() => fetch(`${ask()}/gate/a`)));
    const statuses = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value.status] : []));
    expect([...new Set(statuses)].sort()).toEqual([201, 429]);
  });

  test("by default no limit holds for our own machine, nor for a trusted proxy that names nobody", async () => {
    await start({ UNLIMITED_ADDRESSES: "", ADDRESS_CONNECTIONS: "1", FAILED_UPGRADES_PER_SECOND: "1", REQUESTS_PER_SECOND: "1" });
    for (let count = 0; count < 20; count++) expect((await refusal(`${system.url}/nowhere`)).status).toBe(404);
    const clients = [await TestClient.open(`${system.url}/echo`), await TestClient.open(`${system.url}/echo`)];
    for (const client of clients) await client.close();
    expect(await passed()).toEqual({});
  });
});

describe("how many there may be", () => {
  test("more connections than CONNECTIONS are refused with 503", async () => {
    await start({ CONNECTIONS: "3" });
    const clients: TestClient[] = [];
    while (clients.length < 3) clients.push(await TestClient.open(`${system.url}/echo`));
    const answer = await refusal(`${system.url}/echo`);
    expect(answer).toMatchObject({ status: 503, body: expect.stringContaining("gateway.full"), headers: { "retry-after": "5" } });
    expect((await fetch(`${ask()}/gate/a`)).status).toBe(201);
    for (const client of clients) client.send("still there");
    await Promise.all(clients.map((client) => client.receives(1)));
    const [leaves, ...stay] = clients;
    await leaves?.close();
    await system.until(() => system.gatewayHellos[0]?.connections === 2, "it has left");
    await (await TestClient.open(`${system.url}/echo`)).close();
    await Promise.all(stay.map((client) => client.close()));
  });

  test("more upgrades than WAITING_UPGRADES do not wait for a slow onUpgrade, and others are let in without one", async () => {
    system = await TestSystem.start({ environment: { WAITING_UPGRADES: "2" } });
    const origin = "https://example.com";
    const waiting = [1, 2].map(() => new WebSocket(`${system.url}/gate/never`, { origin }));
    await system.until(() => system.gatewayHellos[0]?.parked === 2, "they wait");
    const answer = await refusal(`${system.url}/gate/never`, { headers: { origin } });
    expect(answer).toMatchObject({ status: 503, body: expect.stringContaining("upgrade.tooMany") });
    await (await TestClient.open(`${system.url}/echo`)).close();
    for (const socket of waiting) socket.on("error", () => undefined).terminate();
    await system.until(() => system.gatewayHellos[0]?.parked === 0, "they have gone");
  });

  test("more upgrades than WAITING_UPGRADES do not wait for a worker", async () => {
    system = await TestSystem.start({ workers: 0, environment: { WAITING_UPGRADES: "2" } });
    const waiting = [1, 2].map(() => new WebSocket(`${system.url}/echo`));
    await system.until(() => system.gatewayHellos[0]?.parked === 2, "they wait");
    const answer = await refusal(`${system.url}/echo`);
    expect(answer).toMatchObject({ status: 503, body: expect.stringContaining("upgrade.tooMany"), headers: { "retry-after": "5" } });
    const opened = waiting.map((socket) => once(socket, "open"));
    await system.standBy("1");
    await system.activate("1");
    await Promise.all(opened);
    for (const socket of waiting) socket.terminate();
  });
});
