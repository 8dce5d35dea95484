// The supervisor as a process: what it starts ends with it, however it ends.

import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import type { Status } from "../supervisor/status.ts";
import { TestClient } from "./client.ts";
import { type Environment, Installation, isAlive, until } from "./installation.ts";
import { startNats } from "./nats.ts";

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function install(env: Environment = {}): Promise<Installation> {
  const installation = await Installation.here(env);
  cleanUps.push(() => installation.end());
  return installation;
}

test("kill -9 of the supervisor ends all that it has started, a stopped worker and a stopped gateway too", async () => {
  const installation = await install();
  const start = installation.start();
  await start.line(/^ready ws:/);
  const { workers, gateways, nats } = await installation.statusWhere("two workers", ({ workers }) => workers.length === 2);
  const servers = [nats, ...workers, ...gateways].map(({ pid }) => pid as number);
  // One guard besides.
  const children = await until("the servers and a guard", () => {
    const now = start.children();
    return now.length === servers.length + 1 && servers.every((pid) => now.includes(pid)) ? now : undefined;
  });
  process.kill(workers[0]?.pid as number, "SIGSTOP");
  process.kill(gateways[0]?.pid as number, "SIGSTOP");
  start.process.kill("SIGKILL");
  await until("an end of all children", () => (children.some(isAlive) ? undefined : true));
});

test("SIGTERM ends all that it has started, with exit code 0, and kills what hangs", async () => {
  const installation = await install({ STOP_TIMEOUT_MS: "1000" });
  const start = installation.start();
  await start.line(/^ready ws:/);
  const { workers, gateways, nats } = await installation.statusWhere("two workers", ({ workers }) => workers.length === 2);
  const children = start.children();
  const servers = [nats, ...workers, ...gateways].map(({ pid }) => pid as number);
  expect(servers).toHaveLength(4);
  process.kill(workers[0]?.pid as number, "SIGSTOP");
  start.process.kill("SIGTERM");
  expect(await start.exited).toBe(0);
  expect(servers.filter(isAlive)).toEqual([]);
  // The guard ends when it sees that the supervisor has.
  await until("an end of all children", () => (children.some(isAlive) ? undefined : true));
  expect(start.output).toMatch(/worker-\S+\.\d has not ended within \d+ ms and is killed/);
});

test("a Ctrl-C that npm passes on besides ends all in order: the client hears why it is closed", async () => {
  const installation = await install({ HANDLERS_DIR: "test/handlers/basic" });
  const start = installation.start();
  const url = (await start.line(/^ready ws:/)).replace("ready ", "");
  const client = await TestClient.open(`${url}/script/ending`);
  client.send([{ do: "send", data: "begun" }, { do: "flush" }, { do: "pause", ms: 400 }, { do: "send", data: "done" }]);
  await client.receives(1);
  start.process.kill("SIGINT");
  // Two signals that are sent together may arrive as one.
  await pause(50);
  start.process.kill("SIGINT");
  expect(await client.closes()).toEqual({ code: 1001, reason: "gateway.ends" });
  expect(await start.exited).toBe(0);
});

test("whatever is killed is started again: worker, gateway, nats-server, guard", async () => {
  const installation = await install({ WORKERS: "1" });
  const start = installation.start();
  await start.line(/^ready ws:/);
  const before = start.children();
  for (const pid of before) process.kill(pid, "SIGKILL");
  const after = await until("as many children, all new", () => {
    const now = start.children();
    return now.length === before.length && !now.some((pid) => before.includes(pid)) ? now : undefined;
  });
  const { workers } = await installation.statusWhere(
    "a new worker and a new gateway",
    ({ workers, gateways }) => workers.length === 1 && gateways.length === 1,
  );
  expect(after).toContain(workers[0]?.pid);
  // The new guard knows what runs.
  start.process.kill("SIGKILL");
  await until("an end of all children", () => (after.some(isAlive) ? undefined : true));
});

test("a worker that hangs in an endless loop is killed at twice WORKER_TIMEOUT_MS and replaced; one that waits for NATS is not", async () => {
  const nats = await startNats();
  cleanUps.push(() => nats.stop());
  const env = { NATS_URL: nats.url, HANDLERS_DIR: "test/handlers/basic", WORKER_TIMEOUT_MS: "2000" };
  const installation = await install(env);
  const start = installation.start();
  const url = (await start.line(/^ready ws:/)).replace("ready ", "");
  const { workers: before } = await installation.statusWhere("two workers", ({ workers }) => workers.length === 2);
  // Without NATS all of them are silent, and none of them hangs.
  nats.process.kill("SIGKILL");
  await nats.stop();
  await pause(5_000);
  const again = await startNats(Number(new URL(nats.url).port));
  cleanUps.push(() => again.stop());
  await installation.statusWhere("both are back", ({ workers }) => workers.length === 2);
  expect(start.output).not.toContain("hangs");

  const [poison, innocent] = await Promise.all([TestClient.open(`${url}/script/spin`), TestClient.open(`${url}/echo`)]);
  poison.send([{ do: "spin" }]);
  await start.line(/worker-\S+\.\d hangs: silent for 4000 ms \(2 x WORKER_TIMEOUT_MS\), it is killed/);
  await start.line(/worker-\S+\.\d was ended by SIGKILL; starting again/);
  // The message goes on to kill two more; then it is set aside.
  expect(await poison.closes()).toEqual({ code: 1011, reason: "message.poison" });
  innocent.send("still there");
  await innocent.receives(1);
  const { workers: after } = await installation.statusWhere("two workers again", ({ workers }) => workers.length === 2);
  expect(after.filter(({ pid }) => before.some((worker) => worker.pid === pid))).toEqual([]);
  await innocent.close();
});

test("a second start in one cache folder says which one runs; one after its end serves the same release", async () => {
  const installation = await install();
  const first = installation.start();
  const ready = await first.line(/^ready ws:/);
  const second = installation.start();
  expect(await second.exited).toBe(1);
  expect(second.output).toMatch(/^thinstate is already running here, since (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d: process/m);
  expect(second.output).toContain(`process ${first.pid}, ${ready.replace("ready ", "")}`);
  const { release } = await installation.status();
  first.process.kill("SIGTERM");
  expect(await first.exited).toBe(0);
  const third = installation.start();
  await third.line(/^ready ws:/);
  expect((await installation.status()).release).toEqual(release);
});

test("a start whose folder of handlers is missing says so in words, and serves the last release", async () => {
  const installation = await install();
  const first = installation.start();
  await first.line(/^ready ws:/);
  first.process.kill("SIGTERM");
  expect(await first.exited).toBe(0);
  const second = installation.start({ HANDLERS_DIR: "nope" });
  const said = JSON.parse(await second.line(/there is no folder nope/)) as { level: number; msg: string };
  expect(said).toMatchObject({
    level: 40,
    msg: expect.stringContaining(`release ${installation.current()}, which was made of worker/handlers`),
  });
  await second.line(/^ready ws:/);
  expect(second.output).not.toContain("ENOENT");
});

test("a release that an earlier version has numbered is served, and gone back to; what handlers keep in SHARED_DIR outlives releases", async () => {
  const installation = await Installation.cloned();
  cleanUps.push(() => installation.end());
  const keeper = (version: string) => `import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineHandler } from "../handler.ts";

// In the trial of a deploy, too.
if (process.env.SHARED_DIR === undefined) throw new Error("there is no SHARED_DIR");
const file = join(process.env.SHARED_DIR, "kept.txt");

export default defineHandler({
  path: "/keep",
  onMessage(conn) {
    appendFileSync(file, "${version} ");
    conn.send(readFileSync(file, "utf8"));
  },
});
`;
  const told = async (url: string): Promise<string> => {
    const client = await TestClient.open(`${url}/keep`);
    client.send("");
    await client.receives(1);
    await client.close();
    return String(client.received[0]);
  };
  installation.write("worker/handlers/keep.ts", keeper("one"));
  const first = installation.start();
  expect(await told((await first.line(/^ready ws:/)).replace("ready ", ""))).toBe("one ");
  first.process.kill("SIGTERM");
  expect(await first.exited).toBe(0);

  // As version 0.1 has left it.
  const made = join(installation.cacheFolder, "releases", installation.current());
  const manifest = JSON.parse(readFileSync(join(made, "manifest.json"), "utf8")) as Record<string, unknown>;
  writeFileSync(join(made, "manifest.json"), JSON.stringify({ ...manifest, id: "7" }));
  renameSync(made, join(installation.cacheFolder, "releases", "7"));
  writeFileSync(join(installation.cacheFolder, "activation.json"), JSON.stringify({ release: "7", generation: 9 }));
  rmSync(join(installation.cacheFolder, "current"));

  const second = installation.start();
  const url = (await second.line(/^ready ws:/)).replace("ready ", "");
  expect((await installation.status()).release).toEqual({ id: "7", generation: 9 });
  expect(installation.current()).toBe("7");
  installation.write("worker/handlers/keep.ts", keeper("two"));
  expect((await installation.run("deploy-worker")).output).toMatch(/^release \d{8}T\d{6}Z-\w+ serves \(before: release 7\)$/m);
  expect(await told(url)).toBe("one two ");
  expect((await installation.run("rollback-worker")).output).toContain("release 7 serves");
  expect(installation.current()).toBe("7");
  expect(await told(url)).toBe("one two one ");
});

test("WORKERS=0: what connects waits; the first deploy starts workers, on all gateways, and answers all of it", async () => {
  const installation = await install({ WORKERS: "0", GATEWAYS: "2", PARK_MS: "600000" });
  const start = installation.start();
  const url = (await start.line(/^ready ws:/)).replace("ready ", "");
  await start.line(/^no workers yet \(WORKERS=0\): what connects waits for npm run deploy-worker$/);
  expect(await installation.status()).toMatchObject({ ready: false, release: null, workers: [] });
  const clients = Array.from({ length: 50 }, () => new TestClient(`${url}/echo`));
  const parked = (index: number) => (status: Status) => (status.gateways[index]?.parked ?? 0) > 0;
  const { gateways } = await installation.statusWhere(
    "50 upgrades that wait on two gateways",
    (status) => parked(0)(status) && parked(1)(status) && status.gateways.reduce((sum, gateway) => sum + gateway.parked, 0) === 50,
  );
  expect(new Set(gateways.map(({ pid }) => pid)).size).toBe(2);
  const ask = async ({ adminPort }: Status["gateways"][number], path: string) =>
    (await fetch(`http://127.0.0.1:${adminPort}${path}`)).status;
  const readiness = () => Promise.all(gateways.flatMap((gateway) => [ask(gateway, "/healthz"), ask(gateway, "/readyz")]));
  expect(await readiness()).toEqual([200, 503, 200, 503]);
  const deploy = installation.command(["deploy-worker", "--json"], { WORKERS: "3" });
  await Promise.all(
    clients.map(async (client) => {
      await client.opened();
      for (let index = 0; index < 20; index++) client.send(String(index));
      await client.receives(20);
    }),
  );
  expect(await deploy.exited).toBe(0);
  expect(JSON.parse(deploy.stdout)).toMatchObject({ ok: true, release: installation.current(), previous: null, connectionsAfter: 50 });
  const first = installation.current();
  const { workers } = await installation.statusWhere("three workers", (status) => status.workers.length === 3);
  expect(workers.map(({ state }) => state)).toEqual(["active", "active", "active"]);

  expect(await readiness()).toEqual([200, 200, 200, 200]);
  await installation.statusWhere("ready", ({ ready }) => ready);

  // The next one moves the connections of both gateways.
  const second = await installation.run("deploy-worker", "--json");
  expect(JSON.parse(second.stdout)).toMatchObject({
    ...{ ok: true, release: installation.current(), previous: first },
    ...{ connectionsBefore: 50, connectionsAfter: 50, handedOver: 50, remaining: 0, redelivered: 0 },
  });
  for (const client of clients) for (let index = 20; index < 40; index++) client.send(String(index));
  await Promise.all(clients.map((client) => client.receives(40)));
  for (const client of clients) expect(client.received).toEqual(Array.from({ length: 40 }, (_, index) => String(index)));
  const active = (await installation.status()).workers.filter(({ state }) => state === "active");
  expect(active.map(({ release }) => release)).toEqual(Array.from({ length: 3 }, () => installation.current()));
  expect(installation.current()).not.toBe(first);
});

test("NATS_URL: somebody else's NATS server is used, shown without a process, and left running", async () => {
  const nats = await startNats();
  cleanUps.push(() => nats.stop());
  const installation = await install({ NATS_URL: nats.url, WORKERS: "1" });
  const start = installation.start();
  await start.line(/^ready ws:/);
  expect((await installation.status()).nats).toEqual({ url: nats.url, pid: null });
  start.process.kill("SIGTERM");
  expect(await start.exited).toBe(0);
  expect(isAlive(nats.process.pid as number)).toBe(true);
});

test("a start on a taken port names the process that has it", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanUps.push(() => server.close());
  const { port } = server.address() as { port: number };
  const start = (await install({ PORT: String(port) })).start();
  expect(await start.exited).toBe(1);
  const owner = process.platform === "linux" ? `process ${process.pid} (` : "another process";
  expect(start.output).toContain(`port ${port} on 127.0.0.1 is taken by ${owner}`);
  expect(start.children()).toEqual([]);
});

test("a start whose folder cannot be one says which setting names it", async () => {
  const start = (await install()).start({ THINSTATE_DIR: "package.json" });
  expect(await start.exited).toBe(1);
  expect(start.output).toMatch(/^EEXIST: .*package\.json'\nTHINSTATE_DIR has to name a folder that you may write to\.$/m);
  expect(start.output).not.toMatch(/^ +at /m);
});

test("mistakes in the environment of supervisor, gateway and worker are reported together", async () => {
  const start = (await install({ WORKERS: "many", MESSAGE_BYTES: "-1", STATE_BYTES: "0" })).start();
  expect(await start.exited).toBe(1);
  for (const name of ["WORKERS=many", "MESSAGE_BYTES=-1", "STATE_BYTES=0"]) expect(start.output).toContain(name);
});

test("what only a process that starts can find wrong with the settings ends the start, with its words", async () => {
  const nats = await startNats();
  cleanUps.push(() => nats.stop());
  const start = (await install({ NATS_URL: nats.url, MESSAGE_BYTES: "2000000" })).start();
  expect(await start.exited).toBe(1);
  expect(start.lines.at(-1)).toMatch(
    /^gateway: config\.invalid: MESSAGE_BYTES=2000000 does not fit NATS' max_payload of \d+: at most \d+$/,
  );
  expect(start.output).not.toContain("starting again");
  await until("an end of all children", () => (start.children().length > 0 ? undefined : true));
});

test("a NATS_URL where nobody answers ends the start with its name", async () => {
  const start = (await install({ NATS_URL: "nats://127.0.0.1:1" })).start();
  expect(await start.exited).toBe(1);
  expect(start.output).toMatch(/NATS_URL=nats:\/\/127\.0\.0\.1:1 cannot be reached: .*connection refused/);
});

test("commands without a running server say so, and end with exit code 1", async () => {
  const installation = await install();
  for (const command of ["status", "deploy-worker", "rollback-worker"]) {
    expect(await installation.run(command)).toMatchObject({ exitCode: 1, output: "thinstate does not run here; start it with npm start" });
  }
});
