// The nats-server that npm start runs by itself: who is let in, who may say what, and how large a message it takes. npm run dev has
// the same, and checks nothing first.

import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { connectBus } from "../nats/connection.ts";
import type { Bus } from "../protocol/bus.ts";
import { decodeAnnouncement, encodeAnnouncement } from "../protocol/membership.ts";
import { messageRoomBytes, mostPayloadBytes } from "../protocol/payload-limits.ts";
import { subjectsOf } from "../protocol/subjects.ts";
import { TestClient } from "./client.ts";
import * as hellos from "./hellos.ts";
import { type Environment, Installation } from "./installation.ts";

const handlers = { HANDLERS_DIR: "test/handlers/basic", WORKERS: "1" };
const subjects = subjectsOf("thinstate");
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function install(env: Environment = {}): Promise<Installation> {
  const installation = await Installation.here({ ...handlers, ...env });
  cleanUps.push(() => installation.end());
  return installation;
}

/** Connects as another program does. */
async function connectAs(credentials: string, url: string, faults: string[] = []): Promise<Bus> {
  const security = { NATS_CREDENTIALS_FILE: credentials, NATS_CA_FILE: "", NATS_CERT_FILE: "", NATS_KEY_FILE: "" };
  const onEvent = (event: { kind: string; error?: unknown }) => {
    if (event.kind === "fault") faults.push(String((event.error as { error?: unknown }).error ?? event.error));
  };
  const bus = await connectBus({ url, security, name: "test", onEvent });
  cleanUps.push(() => bus.close());
  return bus;
}

async function subscriber(url: string, topic: string): Promise<TestClient> {
  const client = await TestClient.open(`${url}/script/room`);
  cleanUps.push(() => client.close());
  client.send([
    { do: "subscribe", topic },
    { do: "send", data: "in" },
  ]);
  await client.receives(1);
  return client;
}

test("strangers are refused, and a publisher may publish and forge nothing: service goes on", async () => {
  const installation = await install();
  const start = installation.start({}, ["dev"]);
  await start.line(/^ready ws:/);
  const { url, nats } = await installation.status();
  await expect(connectAs("", nats.url)).rejects.toThrow(/Authorization Violation/);

  const client = await subscriber(url as string, "room:7");
  const file = join(installation.cacheFolder, "nats", "publisher.credentials");
  const faults: string[] = [];
  const publisher = await connectAs(file, nats.url, faults);
  publisher.publish(subjects.topicFromOutside("room:7"), Buffer.from("news"));
  await client.receives(2);
  expect(client.received[1]).toEqual(Buffer.from("news"));
  expect(faults).toEqual([]);

  // It takes every worker for one of another release.
  const forged = { kind: "activate" as const, activation: { release: "forged", generation: 1_000_000 } };
  publisher.publish(subjects.members, encodeAnnouncement(forged));
  publisher.subscribe(">", () => undefined);
  await publisher.flush();
  await nextTurn();
  for (const refused of [/Permissions Violation for Publish/, /Permissions Violation for Subscription/]) {
    expect(faults).toContainEqual(expect.stringMatching(refused));
  }
  client.send([{ do: "send", data: "still here" }]);
  await client.receives(3);
  expect(client.received[2]).toBe("still here");
});

test("a worker speaks as a worker only: it activates nothing, and neither another worker nor a gateway takes its word for a gateway's", async () => {
  const installation = await install();
  const start = installation.start({}, ["dev"]);
  await start.line(/^ready ws:/);
  const { url, nats, gateways, workers } = await installation.status();
  const client = await subscriber(url as string, "room:7");
  const file = join(installation.cacheFolder, "nats", "worker.credentials");
  const faults: string[] = [];
  const bus = await connectAs(file, nats.url, faults);
  const [gateway, worker] = [gateways[0]?.id ?? "", workers[0]?.id ?? ""];
  const forged = encodeAnnouncement({ kind: "activate", activation: { release: "forged", generation: 1_000 } });
  const forbidden = [
    subjects.members,
    subjects.link(gateway),
    subjects.link(worker),
    subjects.unheard(gateway, worker),
    ...[subjects.topicFromGateways("room:7"), subjects.topicAgain("room:7"), subjects.topicFromOutside("room:7")],
    ...[subjects.repair, subjects.repairedTopic(gateway, "room:7"), subjects.scrape],
  ];
  for (const subject of forbidden) bus.publish(subject, forged);
  await bus.flush();
  await nextTurn();
  expect(faults).toEqual(forbidden.map((subject) => expect.stringContaining(`Permissions Violation for Publish to "${subject}"`)));

  // What NATS lets through, the gateway does not believe.
  const goneGateway = encodeAnnouncement({ kind: "gone", id: gateway, reason: "exited" });
  for (const announcement of [forged, goneGateway]) bus.publish(subjects.membersFromWorkers, announcement);
  bus.publish(subjects.linkFromWorkers(gateway), forged);
  await bus.flush();
  client.send([{ do: "send", data: "still here" }]);
  await client.receives(2);
  expect(client.received[1]).toBe("still here");
  expect((await installation.status()).gateways.map(({ id }) => id)).toEqual([gateway]);
});

test("which release is active is not for workers to say: a gateway that is new hears the supervisor, whoever is faster", async () => {
  const installation = await install();
  await installation.start({}, ["start"]).line(/^ready ws:/);
  const { url, nats, gateways, release } = await installation.status();
  const bus = await connectAs(join(installation.cacheFolder, "nats", "worker.credentials"), nats.url);
  const activation = { release: "forged", generation: (release?.generation ?? 0) + 1 };
  const forge = () => bus.publish(subjects.membersFromWorkers, encodeAnnouncement({ ...hellos.worker, release: "forged", activation }));
  // To each that starts and asks, before others can answer.
  bus.subscribe(subjects.members, ({ payload }) => {
    if (decodeAnnouncement(payload).kind === "ask") forge();
  });
  forge();
  await bus.flush();
  await (await subscriber(url as string, "room:7")).close();
  const [before] = gateways;
  process.kill(before?.pid ?? 0, "SIGKILL");
  await installation.statusWhere(
    "another gateway serves",
    ({ ready, gateways: [now] }) => ready && now !== undefined && now.id !== before?.id,
  );
  await (await subscriber(url as string, "room:7")).close();
  expect((await installation.status()).release).toEqual(release);
});

test("an operator's mistake, a generation far ahead, ends no service, and the next deploy goes on", async () => {
  const installation = await install();
  const start = installation.start({}, ["start"]);
  await start.line(/^ready ws:/);
  const { url, nats, release } = await installation.status();
  const operator = await connectAs(join(installation.cacheFolder, "nats", "operator.credentials"), nats.url);
  const say = async (generation: number) => {
    operator.publish(subjects.members, encodeAnnouncement({ kind: "activate", activation: { release: "forged", generation } }));
    await operator.flush();
  };
  await say(2 ** 52);
  const client = await subscriber(url as string, "room:7");
  expect((await installation.status()).release).toEqual(release);
  // Near enough to be believed: now everybody waits for a release that nobody has.
  await say(1_000_000);
  client.send([{ do: "send", data: "still here" }]);
  const { output } = await installation.run("deploy-worker", "--json");
  expect(output).toContain('"generation":1000001');
  await client.receives(2);
  expect(client.received[1]).toBe("still here");
});

test("what a publisher shows, and where, is the same after a restart; nobody else may read it", async () => {
  const installation = await install();
  const folder = join(installation.cacheFolder, "nats");
  const file = join(folder, "publisher.credentials");
  const first = installation.start({}, ["dev"]);
  await first.line(/^ready ws:/);
  const { nats } = await installation.status();
  expect([folder, file].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o600]);
  // Connected all the time, as a program is that runs for months.
  const publisher = await connectAs(file, nats.url);
  first.process.kill("SIGTERM");
  expect(await first.exited).toBe(0);
  const again = installation.start({}, ["dev"]);
  await again.line(/^ready ws:/);
  const { url } = await installation.status();
  const client = await subscriber(url as string, "news");
  await publisher.flush();
  publisher.publish(subjects.topicFromOutside("news"), Buffer.from("back"));
  await client.receives(2);
  expect(client.received[1]).toEqual(Buffer.from("back"));
});

test("where another program has taken its port meanwhile, it takes another one", async () => {
  const stranger = createServer();
  await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
  cleanUps.push(() => stranger.close());
  const { port } = stranger.address() as AddressInfo;
  const installation = await install();
  const folder = join(installation.cacheFolder, "nats");
  mkdirSync(folder);
  writeFileSync(join(folder, "nats-server.conf"), `listen: "127.0.0.1:${port}"\n`);
  await installation.start({}, ["dev"]).line(/^ready ws:/);
  expect((await installation.status()).nats.url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
  expect((await installation.status()).nats.url).not.toContain(`:${port}`);
});

test("it listens on NATS_PORT, and while that is taken on a later one, which status has", async () => {
  const stranger = createServer();
  await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
  const { port } = stranger.address() as AddressInfo;
  const installation = await install({ NATS_PORT: String(port) });
  const first = installation.start({}, ["dev"]);
  await first.line(/^ready ws:/);
  const { nats } = await installation.status();
  expect(Number(new URL(nats.url).port)).toBeGreaterThan(port);
  expect((await installation.run("status")).output).toContain(`nats      ${nats.url} (process ${nats.pid})`);
  first.process.kill("SIGTERM");
  expect(await first.exited).toBe(0);
  await new Promise((resolve) => stranger.close(resolve));
  await installation.start({}, ["dev"]).line(/^ready ws:/);
  expect((await installation.status()).nats.url).toBe(`nats://127.0.0.1:${port}`);
});

test("a key that is broken ends the start with its file", async () => {
  const installation = await install();
  const folder = join(installation.cacheFolder, "nats");
  mkdirSync(folder);
  const file = join(folder, "worker.credentials");
  writeFileSync(file, "");
  const start = installation.start({}, ["dev"]);
  expect(await start.exited).toBe(1);
  expect(start.lines.at(-1)).toContain(`${file} has no nkey's seed`);
});

test.each(["environment", "SETTINGS_FILE"])("the largest messages need no NATS of one's own: limits from the %s", async (source) => {
  const largestBytes = mostPayloadBytes - messageRoomBytes;
  // All others follow from it.
  const limits = { MESSAGE_BYTES: String(largestBytes) };
  const installation = await install(source === "environment" ? limits : {});
  const file = join(installation.cacheFolder, "settings.env");
  const lines = Object.entries(limits).map(([name, value]) => `${name}=${value}\n`);
  if (source === "SETTINGS_FILE") writeFileSync(file, lines.join(""));
  const start = installation.start(source === "SETTINGS_FILE" ? { SETTINGS_FILE: file } : {}, ["dev"]);
  await start.line(/^ready ws:/);
  const client = await TestClient.open(`${(await installation.status()).url}/echo`);
  cleanUps.push(() => client.close());
  const largest = Buffer.alloc(largestBytes, "message ");
  client.send(largest);
  await client.receives(1);
  expect((client.received[0] as Buffer).equals(largest)).toBe(true);
  // nats-server warns of what is above.
  expect(readFileSync(join(installation.cacheFolder, "nats", "nats-server.log"), "utf8")).not.toContain("[WRN]");
});
