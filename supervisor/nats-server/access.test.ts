// A real nats-server with the configuration that every installation writes: who may say and hear what.

import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectBus, type NatsBus } from "../../nats/connection.ts";
import { type Role, roles } from "../../nats/permissions.ts";
import { type BusSecurity, createCredentials } from "../../nats/security.ts";
import { usualPayloadBytes } from "../../protocol/payload-limits.ts";
import { historyStream, oneTimeBucket, type Subjects, subjectsOf, taskBucket } from "../../protocol/subjects.ts";
import { startNats, type TestNats } from "../../test/nats.ts";
import { credentialsFile, ensureKeys } from "./access.ts";
import { configuredPayload, configuredPort, configuredStore, natsConfiguration } from "./configuration.ts";

const namespace = "thinstate";
const subjects = subjectsOf(namespace);

const members: Role[] = ["gateway", "worker", "olderWorker", "operator"];

/** By what it is in subjects.ts: an example, who publishes it, and who subscribes to it. What is new there is missing here. */
const table: Record<keyof Subjects, { subject: string; publish: Role[]; subscribe: Role[] }> = {
  members: { subject: subjects.members, publish: ["gateway", "olderWorker", "operator"], subscribe: members },
  membersFromWorkers: { subject: subjects.membersFromWorkers, publish: ["worker", "olderWorker"], subscribe: members },
  link: { subject: subjects.link("w1"), publish: ["gateway", "olderWorker"], subscribe: ["gateway", "worker", "olderWorker"] },
  linkFromWorkers: { subject: subjects.linkFromWorkers("g1"), publish: ["worker", "olderWorker"], subscribe: ["gateway"] },
  unheard: { subject: subjects.unheard("g1", "*"), publish: [], subscribe: ["gateway"] },
  topic: { subject: subjects.topic("a:b"), publish: [], subscribe: ["gateway"] },
  topicFromGateways: { subject: subjects.topicFromGateways("a:b"), publish: ["gateway"], subscribe: ["gateway"] },
  topicAgain: { subject: subjects.topicAgain("a:b"), publish: ["gateway"], subscribe: ["gateway"] },
  topicFromOutside: { subject: subjects.topicFromOutside("a:b"), publish: ["publisher"], subscribe: ["gateway"] },
  asked: { subject: subjects.asked("g1"), publish: ["gateway"], subscribe: ["gateway"] },
  answered: { subject: subjects.answered("g1"), publish: ["gateway"], subscribe: ["gateway"] },
  session: { subject: subjects.session("k"), publish: ["gateway"], subscribe: ["gateway"] },
  sessions: { subject: subjects.sessions("g1"), publish: ["gateway"], subscribe: ["gateway"] },
  sessionUnheard: { subject: subjects.sessionUnheard("g1", "1"), publish: [], subscribe: ["gateway"] },
  kept: { subject: subjects.kept({ messages: 1, seconds: 1 }, "a:b"), publish: ["gateway"], subscribe: [] },
  topicKept: { subject: subjects.topicKept("a:b", "e1"), publish: [], subscribe: ["gateway"] },
  scrape: { subject: subjects.scrape, publish: ["gateway"], subscribe: ["worker", "olderWorker"] },
  scraped: { subject: subjects.scraped("g1"), publish: ["worker", "olderWorker"], subscribe: ["gateway"] },
  deploys: { subject: subjects.deploys, publish: ["operator"], subscribe: ["gateway"] },
  replies: { subject: `${subjects.replies}.a.*`, publish: [], subscribe: ["gateway", "worker", "olderWorker", "operator"] },
  repair: { subject: subjects.repair, publish: ["gateway"], subscribe: ["gateway"] },
  repaired: { subject: subjects.repaired("g1"), publish: ["gateway"], subscribe: ["gateway"] },
  repairedTopic: { subject: subjects.repairedTopic("g1", "a:b"), publish: ["gateway"], subscribe: ["gateway"] },
};

let folder: string;
let nats: TestNats;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-access-"));
  const keys = ensureKeys(folder);
  const file = join(folder, "nats-server.conf");
  const users = { namespace, keys, folder };
  const options = { port: 4222, written: "by a test", users, payloadBytes: usualPayloadBytes, storeDir: join(folder, "jetstream") };
  writeFileSync(file, natsConfiguration(options));
  nats = await startNats(0, ["-c", file]);
});

afterAll(async () => {
  await nats.stop();
  rmSync(folder, { recursive: true, force: true });
});

function shown(file: string): BusSecurity {
  return { NATS_CREDENTIALS_FILE: file, NATS_CA_FILE: "", NATS_CERT_FILE: "", NATS_KEY_FILE: "" };
}

/** What the server refused, in its words. */
async function refused(role: Role, doing: "publish" | "subscribe", subject: string): Promise<string[]> {
  const faults: string[] = [];
  const onEvent = (event: { kind: string; error?: unknown }) => {
    if (event.kind === "fault") faults.push(String((event.error as { error?: unknown }).error ?? event.error));
  };
  const bus = await connectBus({ url: nats.url, security: shown(credentialsFile(folder, role)), name: role, onEvent });
  if (doing === "publish") bus.publish(subject, new Uint8Array(1));
  else bus.subscribe(subject, () => undefined);
  // The server answers in order: behind its answer to this, all that it has refused is read.
  await bus.flush();
  await nextTurn();
  await bus.close();
  return faults;
}

describe.each(roles)("%s", (role) => {
  test.each(["publish", "subscribe"] as const)("may %s to what it has to, and to nothing else", async (doing) => {
    const allowed: string[] = [];
    for (const [name, row] of Object.entries(table)) if ((await refused(role, doing, row.subject)).length === 0) allowed.push(name);
    const expected = Object.entries(table).filter(([, row]) => row[doing].includes(role));
    expect(allowed).toEqual(expected.map(([name]) => name));
  });

  test("may not hear everything", async () => {
    expect(await refused(role, "subscribe", ">")).not.toEqual([]);
    expect(await refused(role, "subscribe", `${namespace}.>`)).not.toEqual([]);
    expect(await refused(role, "publish", "elsewhere")).not.toEqual([]);
  });
});

function busOf(role: Role, replies: string | undefined = subjects.replies): Promise<NatsBus> {
  const security = shown(credentialsFile(folder, role));
  return connectBus({ url: nats.url, security, name: role, ...(replies && { replies }), onEvent: () => undefined });
}

async function storeOf(
  role: Role,
  replies: string | undefined,
): Promise<{ store: ReturnType<NatsBus["oneTimeStore"]>; close: () => Promise<void> }> {
  const bus = await busOf(role, replies);
  return { store: bus.oneTimeStore(namespace), close: () => bus.close() };
}

test("a worker may not make the bucket: whoever does may have NATS publish to any subject", async () => {
  const bus = await busOf("worker");
  await expect(bus.oneTimeStore(namespace).put("early", "hello")).rejects.toThrow("auth.unavailable");
  await bus.close();
  const stream = `KV_${oneTimeBucket(namespace)}`;
  for (const call of [`CREATE.${stream}`, `UPDATE.${stream}`, `DELETE.${stream}`, `PURGE.${stream}`, "CREATE.other"]) {
    expect(await refused("worker", "publish", `$JS.API.STREAM.${call}`)).toHaveLength(1);
  }
  const operator = await storeOf("operator", subjects.replies);
  await operator.store.prepare();
  await operator.close();
});

test("workers put what is taken once, and another one takes it: the same taker again, nobody else", async () => {
  const [one, other] = await Promise.all([storeOf("worker", subjects.replies), storeOf("worker", subjects.replies)]);
  await one.store.put("a-_", "hello");
  const takers = ["x", "y", "z"];
  const taken = await Promise.all(takers.map((taker, index) => (index % 2 === 0 ? one : other).store.take("a-_", taker)));
  expect(taken.filter((value) => value === "hello")).toHaveLength(1);
  const winner = takers[taken.indexOf("hello")] as string;
  expect(await other.store.take("a-_", winner)).toBe("hello");
  expect(await one.store.take("a-_", winner)).toBe("hello");
  expect(await one.store.take("a-_", "nobody")).toBeUndefined();
  expect(await one.store.take("never", winner)).toBeUndefined();
  await Promise.all([one.close(), other.close()]);
});

test("a worker may take and give up tasks, and hear who has them; nobody else may", async () => {
  const hears = `$KV.${taskBucket(namespace)}.*`;
  for (const role of roles) {
    const mayHear = ["worker", "olderWorker"].includes(role);
    expect({ role, hears: (await refused(role, "subscribe", hears)).length === 0 }).toEqual({ role, hears: mayHear });
  }
  const [operator, one, other] = await Promise.all([busOf("operator"), busOf("worker"), busOf("worker")]);
  await operator.taskStore(namespace).prepare();
  const heard = new Promise((resolve) => other.taskStore(namespace).hear((key, value) => resolve({ key, value })));
  await other.flush();
  const [store, value] = [one.taskStore(namespace), { holder: "w1", fence: 7, beat: 0 }];
  expect(await store.get("a=20t")).toEqual({ value: undefined, revision: 0 });
  const revision = await store.replace("a=20t", value, 0);
  expect(await heard).toEqual({ key: "a=20t", value });
  expect(await other.taskStore(namespace).get("a=20t")).toEqual({ value, revision });
  expect(await other.taskStore(namespace).replace("a=20t", value, 0)).toBeUndefined();
  expect(await other.taskStore(namespace).floor()).toBeGreaterThan(Date.now() - 600_000);
  await Promise.all([operator, one, other].map((bus) => bus.close()));
});

test("what is written says what it was written with", () => {
  const file = join(folder, "nats-server.conf");
  const said = [configuredPort(file), configuredPayload(file), configuredStore(file)];
  expect(said).toEqual([4222, usualPayloadBytes, join(folder, "jetstream")]);
  expect(configuredStore(join(folder, "nowhere"))).toBeUndefined();
});

test("what was put is there after the server has ended without a word", async () => {
  const before = await storeOf("worker", subjects.replies);
  await before.store.put("kept", "yes");
  nats.process.kill("SIGKILL");
  await nats.stop();
  nats = await startNats(0, ["-c", join(folder, "nats-server.conf")]);
  const after = await storeOf("worker", subjects.replies);
  expect(await after.store.take("kept", "x")).toBe("yes");
  await Promise.all([before.close(), after.close()]);
});

test("a bucket of another name is nobody's, and without JetStream the store says so", async () => {
  const security = shown(credentialsFile(folder, "worker"));
  const bus = await connectBus({ url: nats.url, security, name: "worker", replies: subjects.replies, onEvent: () => undefined });
  const plain = await startNats();
  const without = await connectBus({ url: plain.url, name: "worker", onEvent: () => undefined });
  await expect(without.oneTimeStore(namespace).put("a", "b")).rejects.toThrow(/auth\.unavailable.*JetStream/);
  await expect(bus.oneTimeStore("elsewhere").put("a", "b")).rejects.toThrow("auth.unavailable");
  await Promise.all([bus.close(), without.close()]);
  await plain.stop();
});

test("who shows nothing, or something else, is not let in", async () => {
  const stranger = join(folder, "stranger");
  writeFileSync(stranger, createCredentials().seed);
  for (const security of [undefined, shown(stranger)]) {
    const connecting = connectBus({ url: nats.url, ...(security && { security }), name: "stranger", onEvent: () => undefined });
    await expect(connecting).rejects.toThrow(/config\.invalid.*Authorization Violation.*NATS_CREDENTIALS_FILE/);
  }
});

test("gateways keep history, and hear of what is kept as it is stored; a worker may neither keep, make nor read any", async () => {
  const security = shown(credentialsFile(folder, "gateway"));
  const bus = await connectBus({ url: nats.url, security, name: "gateway", onEvent: () => undefined });
  const store = bus.historyStore({ namespace, limits: { streams: 1, streamBytes: 1024 * 1024 }, wallClock: Date.now });
  const heard = new Promise<string>((resolve) =>
    bus.subscribe(subjects.topic("a:b"), ({ payload }) => resolve(Buffer.from(payload).toString())),
  );
  await bus.flush();
  const retention = { messages: 5, seconds: 60 };
  await store.append({ id: "1", topic: "a:b", retention, data: Buffer.from("hi"), isBinary: false, except: [], triedMs: 0 });
  expect(await heard).toBe("hi");
  expect((await store.read("a:b", { last: 1, bytes: 10 })).latest).toMatchObject([{ offset: 1 }]);
  await store.append({ id: "1", topic: "a:b", retention, data: Buffer.from("hi"), isBinary: false, except: [], triedMs: 100_000 });
  await bus.close();
  const stream = historyStream(namespace, 1);
  const calls = ["STREAM.INFO", "STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE", "CONSUMER.CREATE", "DIRECT.GET"];
  for (const call of calls) expect(await refused("worker", "publish", `$JS.API.${call}.${stream}`)).toHaveLength(1);
  for (const call of ["STREAM.CREATE.other", `STREAM.PURGE.${stream}`])
    expect(await refused("gateway", "publish", `$JS.API.${call}`)).toHaveLength(1);
});

test("the key that workers of 0.2 show goes on to be theirs, and those of today get another one", () => {
  const old = mkdtempSync(join(tmpdir(), "thinstate-keys-"));
  try {
    const { seed, publicKey } = createCredentials();
    writeFileSync(credentialsFile(old, "worker"), seed);
    const keys = ensureKeys(old);
    expect(keys.olderWorker).toBe(publicKey);
    expect(keys.worker).not.toBe(publicKey);
    expect(ensureKeys(old)).toEqual(keys);
  } finally {
    rmSync(old, { recursive: true });
  }
});

test("keys stay what they are, and nobody else may read them, whatever the folder was", () => {
  const old = mkdtempSync(join(tmpdir(), "thinstate-keys-"));
  try {
    chmodSync(old, 0o755);
    const keys = ensureKeys(old);
    const files = roles.map((role) => credentialsFile(old, role));
    const written = files.map((file) => readFileSync(file, "utf8"));
    for (const file of files) chmodSync(file, 0o644);
    expect(ensureKeys(old)).toEqual(keys);
    expect(files.map((file) => readFileSync(file, "utf8"))).toEqual(written);
    expect([old, ...files].map((file) => statSync(file).mode & 0o777)).toEqual([0o700, ...files.map(() => 0o600)]);
    expect(readdirSync(old)).toHaveLength(roles.length);
    writeFileSync(files[0] as string, "no seed");
    expect(() => ensureKeys(old)).toThrow(`${files[0]} has no nkey's seed`);
  } finally {
    rmSync(old, { recursive: true });
  }
});
