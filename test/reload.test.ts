// SIGHUP: a gateway and a worker go on with other settings, and no connection notices.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { patienceMs } from "../testbed/patience.ts";
import { hasOpenssl, writeCertificate } from "./certificate.ts";
import { TestClient } from "./client.ts";
import type { Step } from "./handlers/basic/script.ts";
import { Exposition } from "./prometheus.ts";
import { type SystemOptions, type TestProcess, TestSystem } from "./system.ts";

let system: TestSystem;
let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "thinstate-reload-"));
  file = join(folder, "settings.env");
});

afterEach(async () => {
  await system.stop();
  rmSync(folder, { recursive: true });
});

type Settings = Readonly<Record<string, string | number>>;

function write(settings: Settings): void {
  writeFileSync(
    file,
    Object.entries(settings).reduce((text, [name, value]) => `${text}${name}=${value}\n`, "# a comment\n"),
  );
}

async function start(settings: Settings, options: SystemOptions = {}): Promise<void> {
  write(settings);
  system = await TestSystem.start({ ...options, environment: { ...options.environment, SETTINGS_FILE: file } });
}

interface LogLine {
  readonly level: number;
  readonly msg: string;
}

/** @returns what it says because of it, once there are so many lines. */
async function reload(name: "gateway" | "worker", settings: Settings, lines = 1): Promise<LogLine[]> {
  write(settings);
  const [process] = system.live(name);
  if (process === undefined) throw new Error(`no ${name}`);
  return hangUp(process, lines);
}

async function hangUp(process: TestProcess, lines = 1): Promise<LogLine[]> {
  const said = () =>
    process.logged('"msg"').filter(({ msg }) => /^(settings (were|are)|these need a restart|the environment takes)/.test(String(msg)));
  const before = said().length;
  process.child.kill("SIGHUP");
  await vi.waitFor(() => expect(said().length).toBe(before + lines), patienceMs);
  return said().slice(before) as unknown as LogLine[];
}

async function run(client: TestClient, ...steps: Step[]): Promise<string> {
  const before = client.received.length;
  client.send([...steps, { do: "send", data: "done" }]);
  await client.receives(before + 1);
  return String(client.received[before]);
}

test("limits and log level change at once; what needs a restart is named; what is deleted has its default again", async () => {
  await start({ MESSAGE_BYTES: 1000, LOG_LEVEL: "info", PARK_MS: 50_000 });
  const client = await TestClient.open(`${system.url}/echo`);
  const [said, ...warned] = await reload(
    "gateway",
    { MESSAGE_BYTES: 2000, LOG_LEVEL: "warn", NAMESPACE: "elsewhere", PORT: 1, PARKED_MESSAGES: 2 },
    3,
  );
  expect(said).toMatchObject({ level: 30, changed: { MESSAGE_BYTES: 2000, LOG_LEVEL: "warn", PARK_MS: 60_000, PARKED_MESSAGES: 2 } });
  // The port is the test's own: its environment wins.
  expect(warned).toMatchObject([
    { level: 40, variables: ["NAMESPACE"] },
    { level: 40, variables: ["PORT"] },
  ]);
  client.send("x".repeat(1_500));
  await client.receives(1);
  client.send("x".repeat(2_001));
  expect(await client.closes()).toMatchObject({ code: 1009, reason: "message.tooLarge" });
  const parked = await TestClient.open(`${system.url}/echo`);
  await Promise.all(system.live("worker").map((worker) => worker.end()));
  await system.until(() => system.gatewayHellos[0]?.serving === false, "the gateway knows");
  for (const text of ["a", "b", "c"]) parked.send(text);
  expect(await parked.closes()).toMatchObject({ code: 1013, reason: "parked.tooMuch" });
});

test("a mistake leaves everything as it was, and every mistake is named; the next attempt works", async () => {
  await start({ MESSAGE_BYTES: 1000 });
  const client = await TestClient.open(`${system.url}/echo`);
  const [said] = await reload("gateway", { MESSAGE_BYTES: 2000, PARK_MS: "soon", WINDOW_BYTES: 0, TLS_CERT_FILE: "/nowhere" });
  expect(said).toMatchObject({ level: 50, code: "config.invalid" });
  for (const mistake of ["PARK_MS=soon is not", "WINDOW_BYTES=0 is not", "TLS_KEY_FILE is missing"]) expect(said?.msg).toContain(mistake);
  expect((await reload("gateway", { MESSAGE_BYTES: 2_000_000 }))[0]?.msg).toContain("MESSAGE_BYTES=2000000 does not fit NATS' max_payload");
  rmSync(file);
  const [gateway] = system.live("gateway");
  expect((await hangUp(gateway as TestProcess))[0]?.msg).toContain(`SETTINGS_FILE=${file} cannot be read`);
  client.send("x".repeat(1_000));
  await client.receives(1);
  expect((await reload("gateway", { MESSAGE_BYTES: 2000 }))[0]).toMatchObject({ changed: { MESSAGE_BYTES: 2000 } });
  client.send("x".repeat(2_000));
  await client.receives(2);
  client.breakOff();
});

test("systemctl reload waits for the answer, fails where settings are unchanged, and says why", async () => {
  const script = join(import.meta.dirname, "..", "systemd", "reload.sh");
  await start({}, { environment: { RELOAD_FILE: join(folder, "reload") } });
  for (const name of ["gateway", "worker"] as const) {
    const [{ child } = { child: undefined }] = system.live(name);
    const env = { PATH: process.env.PATH, RUNTIME_DIRECTORY: folder, MAINPID: String(child?.pid) };
    write({ LOG_LEVEL: "loud" });
    const wrong = spawnSync(script, { env, encoding: "utf8" });
    expect(wrong).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("settings are unchanged: config.invalid: LOG_LEVEL=loud"),
    });
    write({ LOG_LEVEL: "warn" });
    expect(spawnSync(script, { env, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  }
});

test("a worker takes over its limits", async () => {
  await start({ STATE_BYTES: 100 });
  const client = await TestClient.open(`${system.url}/script/a`);
  client.send([{ do: "pad", bytes: 500 }]);
  await client.receives(1);
  expect(client.values).toMatchObject([{ error: "state.tooLarge" }]);
  expect(await reload("worker", { STATE_BYTES: 1_000, TURN_TIMEOUT_MS: 1 }, 2)).toMatchObject([
    { level: 30, changed: { STATE_BYTES: 1_000 } },
    { level: 40, variables: ["TURN_TIMEOUT_MS"] },
  ]);
  expect(await run(client, { do: "pad", bytes: 500 })).toBe("done");
  client.breakOff();
});

test("limits that only new connections can have: nobody who was let in is closed, and topics reach old and new ones", async () => {
  await start({ BACKPRESSURE_BYTES: 1_000_000 });
  const old = await TestClient.open(`${system.url}/script/old`);
  await run(old, { do: "subscribe", topic: "t" });
  const clients: TestClient[] = [];
  let isConnecting = true;
  const connecting = (async () => {
    while (isConnecting) {
      const client = await TestClient.open(`${system.url}/echo`);
      // Without net.ipv4.tcp_migrate_req the kernel may reset one that nobody has taken yet.
      if (!client.isOpen) continue;
      clients.push(client);
      client.send("hello");
    }
  })();
  for (let count = 0; count < 20; count++) {
    const [said] = await reload("gateway", { BACKPRESSURE_BYTES: 2_000_000 + count });
    expect(said).toMatchObject({ changed: { BACKPRESSURE_BYTES: 2_000_000 + count } });
  }
  isConnecting = false;
  await connecting;
  await Promise.all(clients.map((client) => client.receives(1)));
  expect(clients.length).toBeGreaterThan(20);
  expect(clients.filter(({ closed }) => closed !== undefined)).toEqual([]);

  const young = await TestClient.open(`${system.url}/script/young`);
  await run(young, { do: "subscribe", topic: "t" });
  await run(old, { do: "publish", topic: "t", data: "of the old" });
  await run(young, { do: "publish", topic: "t", data: "of the young" });
  await Promise.all([old.receives(3), young.receives(3)]);
  expect(old.received).toEqual(["done", "done", "of the young"]);
  expect(young.received).toEqual(["done", "of the old", "done"]);
  for (const client of [old, young, ...clients]) client.breakOff();
});

describe.skipIf(!hasOpenssl)("TLS", () => {
  /** The name in the certificate that a new client is shown. */
  function shownName(): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: system.port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.once("error", reject);
    });
  }

  test("clients speak wss; a new certificate is for new connections, and the old ones go on", async () => {
    const files = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem") };
    writeCertificate("first", files);
    const settings = { TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key };
    await start(settings);
    const url = system.url.replace("ws:", "wss:");
    const open = (path: string) => TestClient.open(`${url}${path}`, { tls: { rejectUnauthorized: false } });
    const old = await open("/script/old");
    await run(old, { do: "subscribe", topic: "t" });
    expect(await shownName()).toBe("first");
    await expect(TestClient.open(`${system.url}/echo`).then(({ closed }) => closed)).resolves.toMatchObject({ code: 1006 });

    writeCertificate("second", files);
    const [said] = await reload("gateway", settings);
    expect(said).toMatchObject({ level: 30, certificate: "DNS:localhost, IP Address:127.0.0.1" });
    expect(await shownName()).toBe("second");
    const expiry = (await Exposition.of(system.gatewayHellos[0]?.adminPort, "/metrics")).sum("thinstate_certificate_expires_seconds");
    expect(expiry).toBe(Date.parse(String((said as { expires?: string }).expires)) / 1000);
    expect(await run(old, { do: "send", data: "still there" })).toBe("still there");
    const young = await open("/script/young");
    await run(young, { do: "publish", topic: "t", data: "across" });
    await old.until(() => old.received.includes("across"), "the publish arrives");

    // Half written: as a tool does that writes one file after the other.
    writeCertificate("third", { cert: files.cert, key: join(folder, "other.pem") });
    expect((await reload("gateway", settings))[0]?.msg).toContain(`TLS_KEY_FILE=${files.key} cannot be used`);
    writeFileSync(files.cert, "garbage");
    expect((await reload("gateway", settings))[0]?.msg).toContain(`TLS_CERT_FILE=${files.cert} is not a PEM certificate`);
    expect(await shownName()).toBe("second");
    expect([old.closed, young.closed]).toEqual([undefined, undefined]);
    for (const client of [old, young]) client.breakOff();
  });
});
